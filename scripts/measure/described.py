"""Devices that are not here, described to their compilers."""

from typing import Any

# libtpu then asks nobody where it runs and lets a second process use it; CUDA's libraries need not be here.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_ID": "0",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_LOG_DIR": "disabled",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
}
TARGETS = (
    *("tpu:v5e:1x1", "tpu:v5e:2x2", "tpu:v5e:16x16", "tpu:v4:2x2x1", "tpu:v5p:2x2x1", "tpu:v6e:2x2", "tpu:tpu7x:2x2x1"),
    *("cuda:a100:1x1x1", "cuda:h100:1x1x1", "cuda:h100:1x2x8"),  # groups of nodes, nodes of each, devices of each
)
FAULTY = 3  # exit code of a check that found something: Python itself ends with 1 or 2
COMPILERS = {"tpu": "libtpu", "cuda": "jax_plugins.xla_cuda12"}  # modules
GPU = """
gpu_device_info {{
  cuda_compute_capability {{ major: {capability} }}
  core_count: {cores} fpus_per_core: {units} clock_rate_ghz: {clock}
  device_memory_size: {memory} memory_bandwidth: {bandwidth} l2_cache_size: {cache}
  shared_memory_per_core: {shared} shared_memory_per_block_optin: {most_shared} shared_memory_per_block: 49152
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
}}
platform_name: "CUDA" runtime_version {{ major: 12 minor: 9 }} dnn_version_info {{ major: 9 minor: 10 }}
device_description_str: "{name}"
"""
GPUS = {  # what `cudaGetDeviceProperties` says there
    "a100": GPU.format(
        name="NVIDIA A100-SXM4-80GB",
        capability=8,
        cores=108,
        units=64,
        clock=1.41,
        memory=85_100_068_864,
        bandwidth=2_039_040_000_000,
        cache=40 << 20,
        shared=164 << 10,
        most_shared=163 << 10,
    ),
    "h100": GPU.format(
        name="NVIDIA H100 80GB HBM3",
        capability=9,
        cores=132,
        units=128,
        clock=1.98,
        memory=84_929_347_584,
        bandwidth=3_352_320_000_000,
        cache=50 << 20,
        shared=228 << 10,
        most_shared=227 << 10,
    ),
}


def describe(target: str) -> list[Any]:
    """Descriptions of the devices of `tpu:v5e:2x2` and the like; JAX must find `ENVIRONMENT` when it is imported."""
    from jax.experimental import topologies  # here, so that the names of targets can be had without it

    platform, chip, topology = target.split(":")
    if platform == "cuda":
        return topologies.get_topology_desc(chip, platform, target_config=GPUS[chip], topology=topology).devices
    alone = {"chips_per_host_bounds": (1, 1, 1)} if topology == "1x1" else {}
    return topologies.get_topology_desc(f"{chip}:{topology}", platform, **alone).devices
