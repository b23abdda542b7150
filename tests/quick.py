"""How these tests tell XLA to compile: quickly, for little is computed.

Compiling is most of what they do. LLVM does not optimise, and fusions get
XLA's older emitters, whose code takes half as long to compile.
"""

XLA_FLAGS = (
    "--xla_backend_optimization_level=0"
    " --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1"
)
