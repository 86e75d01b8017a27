import numpy as np
import torch
from torch import nn

from skmm import ModalityDict
from skmm.base.training_data import TrainingData
from skmm.data.tensors import to_rows
from skmm.nn import ConcatFusion, MLPEncoder, MLPHead
from skmm.nn.assemble import assemble
from tests.toys import MeanEmbedding

SHAPES = {"note": (), "a": (3,)}
X = ModalityDict(
    note=[f"text {i}" for i in range(10)],
    a=np.arange(30.0).reshape(10, 3),
    present={"a": np.arange(10) != 4},
)


def module(note):
    encoders = {"note": note, "a": MLPEncoder((4,))}
    return assemble(encoders, ConcatFusion(), MLPHead(), SHAPES, 2)


def test_every_encoder_gets_its_dtype():
    rows = to_rows(X, module(MeanEmbedding()), torch.device("cpu"))
    assert rows.x["note"].dtype == torch.int64 and rows.x["a"].dtype == torch.float32
    assert rows.present[:, 1].tolist() == (np.arange(10) != 4).tolist()
    assert rows.weight is None


def test_a_plain_module_reads_text_as_tokens():
    class Counts(nn.Module):
        def forward(self, tokens):
            return (tokens > 0).sum(1, keepdim=True).float()

    network = module(Counts())
    rows = to_rows(X, network, torch.device("cpu"), np.ones(10))
    assert network.encode(rows.x)["note"].tolist() == [[6.0]] * 10
    assert rows.weight.dtype == torch.float32


def test_setting_aside_keeps_rows_together():
    rows = to_rows(X, module(MeanEmbedding()), torch.device("cpu"), np.arange(10.0))
    problem = TrainingData(None, (rows, torch.arange(10)))
    problem.set_aside(np.array([0, 1, 2, 5, 6, 8, 9]), np.array([3, 4, 7]))
    (train, target), (valid, held) = problem.train, problem.valid
    assert (len(train), len(valid)) == (7, 3)
    assert sorted([*target.tolist(), *held.tolist()]) == list(range(10))
    for part, numbers in (problem.train, problem.valid):
        there = part.present[:, 1]
        assert torch.equal(part.x["a"][:][there, 0], numbers[there] * 3.0)
        assert there.tolist() == (numbers != 4).tolist()
        torch.testing.assert_close(part.weight.mean(), torch.tensor(1.0))
        torch.testing.assert_close(part.weight, numbers / numbers.float().mean())
