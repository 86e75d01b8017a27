import random
import threading

import numpy as np
import pytest
import torch

from skmm._random import base_seed, derive, restored_generators, seeded


def draw(seed):
    with seeded(seed):
        return torch.rand(3)


def test_derive_depends_on_names_only():
    assert derive(3, "encoder", "image") == derive(3, "encoder", "image")


def test_derive_depends_on_every_name_and_its_position():
    seeds = [
        derive(0, "encoder", "image"),
        derive(1, "encoder", "image"),
        derive(0, "encoder", "table"),
        derive(0, "head", "image"),
        derive(0, "image", "encoder"),
        derive(0, "encoder"),
        derive(0, "encoder", "image", 0),
        derive(0, "encoder", "image", "0"),
        derive(0, "encoderimage"),
    ]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(5)])
def test_seeds_fit_into_a_generator(seed):
    for name in "abcdefgh":
        value = derive(seed, name)
        assert 0 <= value < 2**63
        torch.Generator().manual_seed(value)
    assert derive(np.int64(5), "a") == derive(5, "a")


def test_base_seed_of_an_int_is_that_int():
    assert base_seed(7) == 7 and base_seed(np.int32(7)) == 7


def test_base_seed_of_none_leaves_global_generators():
    before = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()
    seeds = {base_seed(None) for _ in range(5)}
    assert len(seeds) == 5
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert random.getstate() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_base_seed_of_a_random_state_advances_it():
    state = np.random.RandomState(0)
    first, second = base_seed(state), base_seed(state)
    assert first != second
    assert first == base_seed(np.random.RandomState(0))


def test_seeded_restores_the_generator():
    before = torch.get_rng_state()
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_restores_the_generator_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="stop"), seeded(1):
        torch.rand(3)
        raise RuntimeError("stop")
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_nests():
    with seeded(1):
        first = torch.rand(3)
        inner = draw(2)
        second = torch.rand(3)
    with seeded(1):
        plain = torch.rand(6)
    assert torch.equal(torch.cat([first, second]), plain)
    assert torch.equal(inner, draw(2))


def test_seeded_in_threads():
    results = {}
    barrier = threading.Barrier(4)

    def work(seed):
        barrier.wait()
        with seeded(seed):
            results[seed] = torch.stack([torch.rand(50) for _ in range(50)])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, values in results.items():
        with seeded(seed):
            assert torch.equal(values, torch.stack([torch.rand(50) for _ in range(50)]))


def test_restoring_waits_for_seeded_threads():
    inside, drawn = threading.Event(), threading.Event()

    def disturb():
        inside.wait()
        with restored_generators():
            drawn.wait(0.2)  # until the other thread has drawn, if it does not wait
        restored.set()

    restored = threading.Event()
    thread = threading.Thread(target=disturb)
    thread.start()
    with seeded(3):
        inside.set()
        first = torch.rand(3)
        drawn.set()
        assert not restored.wait(0.3)
        second = torch.rand(3)
    thread.join()
    with seeded(3):
        assert torch.equal(torch.cat([first, second]), torch.rand(6))


def test_restoring_nests_in_seeded():
    with seeded(1), restored_generators():
        inner = torch.rand(3)
    assert torch.equal(inner, draw(1))
