"""Devices that are not here, described to their compilers."""

from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

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
COMPILERS = {"tpu": "libtpu", "cuda": "jax_plugins.xla_cuda12", "cpu": "jaxlib"}  # modules


class GPU(NamedTuple):
    """What `cudaGetDeviceProperties` says: bytes, bytes a second and GHz."""

    name: str
    capability: int
    cores: int
    units: int
    clock: float
    memory: int
    bandwidth: int
    cache: int
    shared: int

    def config(self) -> str:
        """For XLA, as text of a protocol buffer."""
        return f"""
gpu_device_info {{
  cuda_compute_capability {{ major: {self.capability} }}
  core_count: {self.cores} fpus_per_core: {self.units} clock_rate_ghz: {self.clock}
  device_memory_size: {self.memory} memory_bandwidth: {self.bandwidth} l2_cache_size: {self.cache}
  shared_memory_per_core: {self.shared} shared_memory_per_block_optin: {self.shared - 1024}
  shared_memory_per_block: 49152 threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
}}
platform_name: "CUDA" runtime_version {{ major: 12 minor: 9 }} dnn_version_info {{ major: 9 minor: 10 }}
device_description_str: "{self.name}"
"""


GPUS = {
    "a100": GPU(
        "NVIDIA A100-SXM4-80GB", 8, 108, 64, 1.41, 85_100_068_864, 2_039_040_000_000, cache=40 << 20, shared=164 << 10
    ),
    "h100": GPU(
        "NVIDIA H100 80GB HBM3", 9, 132, 128, 1.98, 84_929_347_584, 3_352_320_000_000, cache=50 << 20, shared=228 << 10
    ),
}


def describe(target: str) -> list[Any]:
    """The devices of `tpu:v5e:2x2` and the like; `cuda` has groups of nodes, nodes of each, devices of each."""
    platform, chip, topology = target.split(":")
    if platform == "cpu":
        return jax.devices()[: int(topology)]
    if platform == "cuda":
        config = GPUS[chip].config()
        return topologies.get_topology_desc(chip, platform, target_config=config, topology=topology).devices
    alone = {"chips_per_host_bounds": (1, 1, 1)} if topology == "1x1" else {}
    return topologies.get_topology_desc(f"{chip}:{topology}", platform, **alone).devices
