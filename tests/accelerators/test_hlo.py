"""What is read from the text of a compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from tests.accelerators.hlo import Program


def compiled(function, *arguments) -> Program:
    return Program(jax.jit(function).lower(*arguments).compile().as_text())


def test_products_of_the_innermost_loop() -> None:
    square = jnp.ones((64, 64))

    def nested(x):
        def chunk(_, x):
            return jax.lax.scan(lambda x, _: (jnp.tanh(x @ square), None), x, length=100)[0] @ square

        return jax.lax.fori_loop(0, x.shape[0], chunk, x)

    program = compiled(nested, square)
    assert [program.products(body) for body in program.innermost] == [1]
    assert program.collectives == []


def test_collectives_inside_and_outside_of_loops() -> None:
    mesh = Mesh(np.array(jax.devices()[:2]), ("rows",))

    def sharded(function):
        rows, everywhere = PartitionSpec("rows"), PartitionSpec()
        return jax.shard_map(function, mesh=mesh, in_specs=rows, out_specs=everywhere, check_vma=False)

    def once(x):
        return jax.lax.psum(x.sum(axis=0), "rows")

    def often(x):
        return jax.lax.scan(lambda total, row: (total + jax.lax.psum(row, "rows"), None), jnp.zeros(8), x)[0]

    x = jnp.ones((4, 8))
    assert compiled(sharded(once), x).collectives == [("all-reduce", 32, 0)]
    assert compiled(sharded(often), x).collectives == [("all-reduce", 32, 1)]


def test_programs_for_gpus() -> None:
    """Collectives that begin and end apart, and products by CUDA's libraries."""
    program = Program("""
%fused (x: f32[2,8]) -> f32[2,8] {
  ROOT %dot.1 = f32[2,8]{1,0} dot(%x, %x), lhs_contracting_dims={1}
}

%body (t: (s32[], f32[2,8])) -> (s32[], f32[2,8]) {
  %fusion.1 = f32[2,8]{1,0} fusion(%x), kind=kCustom, calls=%fused
  %gemm = (f32[2,8]{1,0}, s8[64]{0}) custom-call(%x, %y), custom_call_target="__cublas$gemm"
  %other = f32[2,8]{1,0} custom-call(%x, %y), custom_call_target="TopK"
}

ENTRY %main (x: f32[2,8]) -> f32[2,8] {
  %while.1 = (s32[], f32[2,8]{1,0}) while(%t), condition=%condition, body=%body
  %all-reduce-start = f32[2,8]{1,0} all-reduce-start(%x), to_apply=%add
  %all-reduce-done = f32[2,8]{1,0} all-reduce-done(%all-reduce-start)
  %all-gather-start = (f32[16]{0}, f32[256]{0}) all-gather-start(%y), dimensions={0}
  %all-gather-done = f32[256]{0} all-gather-done(%all-gather-start)
}
""")
    assert program.collectives == [("all-reduce", 64, 0), ("all-gather", 1_024, 0)]
    assert [program.products(body) for body in program.innermost] == [2]
