"""The smallest sizes at which every suite runs, and a clock that is told."""

from jaxstyle.benchmark.settings import Settings

SETTINGS = Settings(
    resolutions=(8,),
    batch=8,
    channel_base=64,
    channel_max=8,
    mapping_layers=2,
    latent=8,
    rounds=2,
    limit=60.0,
)


class Clock:
    """Time passes only where `work` is called."""

    def __init__(self):
        self.now = 100.0
        self.done = []

    def __call__(self):
        return self.now

    def work(self, name, *seconds):
        """A call that takes the planted seconds, one after the other."""
        planted = iter(seconds)

        def call():
            self.done.append(name)
            self.now += next(planted)

        return call
