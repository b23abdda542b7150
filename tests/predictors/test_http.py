"""The service: requests, retries, secrets and wrong replies."""

import datetime
import email.utils
import logging
import socket
import time

import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import Config, DataConfig, PredictorConfig, TargetConfig
from jaxstyle.predictors import http_json
from jaxstyle.predictors.http_json import HttpPredictor
from tests.predictors.service import DROP, HANG, Service, brightness

SECRET = "s3cret-of-the-ward"


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    started = Service()
    yield started
    started.close()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited for, without waiting."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def _config(url, column=0, **settings):
    return Config(
        target=TargetConfig(column=column),
        data=DataConfig(resolution=8, channels=1),
        predictor=PredictorConfig(kind="http", address=url, **settings),
    )


def _images(count=3):
    generator = np.random.default_rng(1)
    return generator.uniform(0, 1, (count, 8, 8, 1)).astype(np.float32)


def _fails(config, match):
    with pytest.raises(predictors.PredictorError, match=match) as told:
        predictors.probability(HttpPredictor(config), _images(), config)
    return str(told.value)


def test_batches_are_posted_and_answered(service, tmp_path):
    config = _config(service.url, column=1, batch_size=5)
    images = _images(12) * 2 - 1
    predictor = predictors.load(config, tmp_path)
    p = predictors.probability(predictor, images, config)
    unit = images * np.float32(0.5) + np.float32(0.5)
    np.testing.assert_allclose(p, brightness(unit), rtol=1e-6)
    # The fingerprint comes first.
    sizes = [len(shown) for _, shown in service.seen]
    assert sizes == [5, 3, 5, 5, 2]
    shown = np.concatenate([shown for _, shown in service.seen[2:]])
    np.testing.assert_array_equal(shown, unit)
    headers = service.seen[0][0]
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers

    again = predictors.load(config, tmp_path)
    np.testing.assert_array_equal(
        predictors.probability(again, images, config), p
    )
    assert len(service.seen) == 5 + 2


def test_what_may_pass_is_tried_again(service, waits, caplog):
    service.script = [
        (503, {}, b"warming up"),
        (429, {"Retry-After": "7"}, b""),
        DROP,
        (500, {"Retry-After": "0"}, b""),
    ]
    with caplog.at_level(logging.WARNING):
        rows = HttpPredictor(_config(service.url)).predict(_images())
    np.testing.assert_allclose(
        np.array(rows)[:, 1], brightness(_images()), rtol=1e-6
    )
    assert len(service.seen) == 5
    assert 0.5 <= waits[0] <= 1
    assert waits[1] == 7
    assert 2 <= waits[2] <= 4
    assert 4 <= waits[3] <= 8
    assert "503: 'warming up'; again in" in caplog.text


def test_a_service_that_hangs_is_left(service, waits):
    service.script = [HANG]
    config = _config(service.url, http_timeout=1.0)
    assert len(HttpPredictor(config).predict(_images())) == 3
    assert len(service.seen) == 2 and len(waits) == 1


def test_it_gives_up(service, waits):
    body = b"x" * 300
    service.script = [(502, {}, body)] * 3
    told = _fails(
        _config(f"{service.url}?key=hidden", http_retries=2), "3 attempts"
    )
    assert f"{service.url}: status 502: '{'x' * 200}'" in told
    assert "hidden" not in told
    assert len(service.seen) == 3 and len(waits) == 2


def test_a_host_that_is_not_there_is_told(waits, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/predict"
        told = _fails(_config(url, http_retries=1), "no answer")
    assert url in told and "refused" in told and len(waits) == 1


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 408, 422])
def test_what_will_not_pass_is_told_at_once(service, waits, status):
    there = {"Location": service.url, "Retry-After": "1"}
    service.script = [(status, there, b"no such thing")]
    told = _fails(_config(service.url), f"status {status}: 'no such thing'")
    assert service.url in told
    assert len(service.seen) == 1 and not waits


def test_a_wait_of_hours_is_the_user_s_choice(service, waits):
    service.script = [(503, {"Retry-After": "7200"}, b"")]
    _fails(_config(service.url), "try again in 7200 s")
    assert not waits


def test_a_date_to_wait_for():
    now = datetime.datetime.now(datetime.UTC)
    for seconds, expected in [(30, 30), (-30, 0)]:
        date = now + datetime.timedelta(seconds=seconds)
        header = email.utils.format_datetime(date, usegmt=True)
        assert http_json._asked_wait(header) == pytest.approx(expected, abs=3)
    assert http_json._asked_wait("") == http_json._asked_wait("soon") == 0


def test_waits_double_up_to_a_minute():
    for attempt, most in [(0, 1), (1, 2), (5, 32), (6, 60), (60, 60)]:
        drawn = [http_json._backoff(attempt) for _ in range(100)]
        assert most / 2 <= min(drawn) < max(drawn) <= most


def test_the_secret_is_sent_and_shown_nowhere(
    service, waits, monkeypatch, caplog
):
    monkeypatch.setenv("WARD_TOKEN", f"Bearer {SECRET}\n")
    config = _config(
        service.url, http_authorization="WARD_TOKEN", http_retries=1
    )
    echoed = f"'Bearer {SECRET}' or {SECRET}{'x' * 300}".encode()
    service.script = [(500, {}, echoed), (403, {}, echoed)]
    with caplog.at_level(logging.DEBUG):
        told = _fails(config, "403")
    assert service.seen[0][0]["Authorization"] == f"Bearer {SECRET}"
    service.script = [(200, {}, echoed)]
    told += _fails(config, "something else")
    for text in (told, caplog.text):
        assert "***" in text and "s3c" not in text


@pytest.mark.parametrize("value", [None, "", f"a\n{SECRET}", f"ü{SECRET}"])
def test_an_unusable_secret_is_told_before_it_is_sent(value, monkeypatch):
    monkeypatch.delenv("WARD_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("WARD_TOKEN", value)
    with pytest.raises(
        predictors.PredictorError, match="'WARD_TOKEN': set"
    ) as told:
        HttpPredictor(
            _config("http://127.0.0.1/f", http_authorization="WARD_TOKEN")
        )
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>", "something else.*<html>"),
        ("", "something else"),
        ("[0.5, 0.5, 0.5]", "something else"),
        ('{"scores": [0.5]}', "something else.*scores"),
        ('{"probabilities": [[0.5], [0.5]]}', r"array of shape \(2, 1\)"),
        ('{"probabilities": [[0.5], [0.5], [0.5, 0.5]]}', "different lengths"),
        ('{"probabilities": [["0.5"], ["0"], ["1"]]}', "answered with np.str_"),
        ('{"probabilities": [0.5, null, 0.5]}', "answered with None"),
        ('{"probabilities": [0.5, NaN, 0.5]}', "answered with nan .image 1"),
        ('{"probabilities": [[0.5], [0.5], [2.5]]}', "answered with 2.5"),
        ('{"probabilities": null}', "answered with None"),
    ],
)
def test_a_wrong_reply_is_told(service, waits, body, message):
    service.script = [(200, {}, body.encode())]
    told = _fails(_config(service.url), message)
    assert service.url in told
    assert len(service.seen) == 1 and not waits
