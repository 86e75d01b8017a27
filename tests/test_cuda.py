"""Everything on a CUDA device: results as on the CPU, and memory given back."""

import gc
import pickle

import numpy as np
import pytest
import torch

import skmm
from skmm import (
    CoordinatedEncoder,
    DynamicFusionClassifier,
    EncoderDecoderReconstructor,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    LateFusionClassifier,
    ModalityDict,
    NoHarmFusionClassifier,
    ResidualFusionClassifier,
)
from skmm.inspection import emap, modality_importance
from skmm.model_selection import BootstrapOutOfBag, fit_replicas
from skmm.nn import Chemception, ConvEncoder, MLPEncoder, PatchTokens, SequenceTokens
from skmm.training import Stage
from skmm.training.batches import SLICE_BYTES
from tests.nn.fusion.variants import VARIANTS
from tests.toys import two_tables, with_holes

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]

GPU = "cuda"
X, Y = two_tables(120)
STAGES = [Stage(epochs=3), Stage(["fusion", "head"], epochs=3)]
SETTINGS = [
    {},
    {"early_stopping": True},
    {"lr_schedule": "cosine", "gradient_clip": 0.1},
    {"lr": {"encoders": 1e-3, "head": 1e-2}, "weight_decay": 0.01},
    {"stages": STAGES},
    {"optimizer": "sgd", "lr": 0.1},
    {"optimizer": "adagrad"},
    {"optimizer": "rmsprop"},
]


def model(device=GPU, cls=FusionClassifier, **settings):
    defaults = {"max_epochs": 6, "random_state": 0, "device": device}
    return cls(**{**defaults, **settings})


def is_on_gpu(fitted):
    return all(p.is_cuda for p in fitted.net_.module_.parameters())


@pytest.mark.parametrize("rows", [X, with_holes(X)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_same_as_on_the_cpu(settings, rows):
    """Same starts, same order of rows; the arithmetic rounds otherwise."""
    fitted = model(**settings).fit(rows, Y)
    assert is_on_gpu(fitted)
    wanted = model("cpu", **settings).fit(rows, Y)
    np.testing.assert_allclose(
        fitted.predict_proba(rows), wanted.predict_proba(rows), atol=1e-3
    )


def test_auto_is_the_gpu():
    assert is_on_gpu(model("auto").fit(X, Y))


def test_other_estimators():
    y = X["a"][:, 0] + X["b"][:, 0]
    reg = [model(d, FusionRegressor).fit(X, y) for d in (GPU, "cpu")]
    np.testing.assert_allclose(reg[0].predict(X), reg[1].predict(X), atol=1e-2)
    late = LateFusionClassifier(model()).fit(X, Y)
    assert late.predict_proba(X).shape == (len(Y), 2)


def on_both(data, y, **settings):
    """Fitted on the GPU and on the CPU."""
    gpu, cpu = (model(device, **settings).fit(data, y) for device in (GPU, "cpu"))
    assert is_on_gpu(gpu)
    return gpu, cpu


def assert_same_answers(gpu, cpu, data, atol=1e-3):
    said, expected = gpu.predict_proba(data), cpu.predict_proba(data)
    np.testing.assert_allclose(said, expected, atol=atol)


complete_or_not = pytest.mark.parametrize(
    "rows", [X, with_holes(X)], ids=["complete", "missing"]
)


@complete_or_not
@pytest.mark.parametrize("mode", ["mro", "sequential", "joint"])
def test_terms_are_those_of_the_cpu(mode, rows):
    gpu, cpu = on_both(rows, Y, cls=ResidualFusionClassifier, mode=mode)
    assert_same_answers(gpu, cpu, rows)
    found, expected = gpu.contributions(rows), cpu.contributions(rows)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@complete_or_not
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_blending_is_that_of_the_cpu(mode, rows):
    settings = {"mode": mode, "super_epoch": 3, "encoders": MLPEncoder((8,))}
    gpu, cpu = on_both(rows, Y, cls=GradientBlendingClassifier, **settings)
    assert_same_answers(gpu, cpu, rows)
    for name in ("gain", "overfitting"):
        found, expected = (m.blending_history_[name] for m in (gpu, cpu))
        np.testing.assert_allclose(found, expected, atol=1e-3)
    heads = gpu.head_predict_proba(rows)
    np.testing.assert_allclose(heads, cpu.head_predict_proba(rows), atol=1e-3)


def test_copies_that_estimate_draw_from_the_guarded_generator():
    before = torch.cuda.get_rng_state()
    settings = {"super_epoch": 2, "encoders": MLPEncoder((8,), dropout=0.5)}
    one, two = (
        model(cls=GradientBlendingClassifier, **settings).fit(X, Y) for _ in range(2)
    )
    found, again = one.blending_history_["gain"], two.blending_history_["gain"]
    np.testing.assert_allclose(found, again, atol=1e-5)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@complete_or_not
@pytest.mark.parametrize("training", ["two_stage", "frozen", "joint"])
def test_a_soft_gate_is_that_of_the_cpu(training, rows):
    settings = {"gate": "soft", "training": training}
    gpu, cpu = on_both(rows, Y, cls=DynamicFusionClassifier, **settings)
    assert_same_answers(gpu, cpu, rows, atol=1e-2)
    found, expected = gpu.gate_weights(rows), cpu.gate_weights(rows)
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert gpu.costs_ == cpu.costs_
    assert gpu.expected_cost(rows) == pytest.approx(cpu.expected_cost(rows), abs=1e-2)


@complete_or_not
def test_a_hard_gate_routes_on_the_gpu(rows):
    """A row at the border may go elsewhere, and so move the branches a little."""
    gpu, cpu = on_both(rows, Y, cls=DynamicFusionClassifier, cost_strength=0.0)
    weights = gpu.gate_weights(rows)
    same = (weights == cpu.gate_weights(rows)).all(1)
    assert same.mean() > 0.9
    assert set(np.unique(weights)) <= {0.0, 1.0}
    said, expected = gpu.predict_proba(rows)[same], cpu.predict_proba(rows)[same]
    np.testing.assert_allclose(said, expected, atol=0.05)


@pytest.mark.parametrize("name", VARIANTS)
def test_fusions_are_those_of_the_cpu(name):
    variant = VARIANTS[name]
    block, parts, present = variant.built(), variant.parts(), variant.masks()
    expected = [block(parts), block(parts, present)]
    on_gpu = block.to(GPU)
    moved = {key: part.to(GPU) for key, part in parts.items()}
    found = [on_gpu(moved), on_gpu(moved, present.to(GPU))]
    for mine, its in zip(found, expected, strict=True):
        assert mine.device.type == torch.device(GPU).type
        torch.testing.assert_close(mine.cpu(), its)


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_of_fusions_are_those_of_the_cpu(name):
    variant, gradients = VARIANTS[name], []
    for device in ("cpu", GPU):
        block = variant.built().train().to(device)
        for part in block.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0  # each device draws its own
        parts = {k: p.to(device).requires_grad_() for k, p in variant.parts().items()}
        block(parts, variant.masks().to(device)).square().sum().backward()
        gradients.append([part.grad.cpu() for part in parts.values()])
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its)


def tokens():
    """Encoders, and rows of an image, a text and a sequence, some of them missing."""
    rng = np.random.default_rng(0)
    data = ModalityDict(
        image=rng.normal(size=(120, 1, 8, 8)),
        word=["no" * (i % 4) + "ay"[label] for i, label in enumerate(Y)],
        wave=rng.normal(size=(120, 2, 10)),
    )
    encoders = {
        "image": PatchTokens(4, width=8),
        "word": SequenceTokens(8),
        "wave": SequenceTokens(8, patch=3),
    }
    return encoders, with_holes(data)


@pytest.mark.parametrize("fusion", ["cross_attention", "self_attention", "transformer"])
def test_tokens_with_missing_modalities(fusion):
    encoders, rows = tokens()
    settings = {"encoders": encoders, "fusion": fusion, "max_epochs": 3}
    gpu, cpu = on_both(rows, Y, **settings)
    assert_same_answers(gpu, cpu, rows, atol=1e-2)
    for lacking in rows:
        assert_same_answers(gpu, cpu, rows.with_missing(lacking), atol=1e-2)


def test_text_is_read_as_on_the_cpu():
    texts = X.assign(note=["no" * (i % 7) + "ay"[label] for i, label in enumerate(Y)])
    fitted, wanted = (model(d, lr=0.01).fit(texts, Y) for d in (GPU, "cpu"))
    assert is_on_gpu(fitted)
    np.testing.assert_allclose(
        fitted.predict_proba(texts), wanted.predict_proba(texts), atol=1e-2
    )


@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_reconstructions_are_those_of_the_cpu(loss):
    settings = {"hidden": (8, 4, 8), "loss": loss, "early_stopping": True}
    y = np.abs(X["a"]).clip(0, 1)
    gpu, cpu = (
        model(device, EncoderDecoderReconstructor, **settings).fit(X, y)
        for device in (GPU, "cpu")
    )
    assert is_on_gpu(gpu)
    np.testing.assert_allclose(gpu.predict(X), cpu.predict(X), atol=1e-3)
    np.testing.assert_allclose(
        gpu.inverse_transform(gpu.transform(X)), gpu.predict(X), atol=1e-5
    )


def test_coordination_is_that_of_the_cpu():
    rows, weight = with_holes(X), np.linspace(0.5, 2, 120)
    gpu, cpu = (
        model(d, CoordinatedEncoder, projector=(3,)).fit(rows, sample_weight=weight)
        for d in (GPU, "cpu")
    )
    assert is_on_gpu(gpu)
    for name, part in gpu.transform(rows).items():
        np.testing.assert_allclose(part, cpu.transform(rows)[name], atol=1e-3)
    np.testing.assert_allclose(
        gpu.cross_correlation_, cpu.cross_correlation_, atol=1e-2
    )


@pytest.mark.parametrize("factor", ["scalar", "vector", 0.3])
def test_the_learnt_factor_is_read_from_the_gpu(factor):
    fitted = model(cls=NoHarmFusionClassifier, guarantee=None, factor=factor).fit(X, Y)
    assert is_on_gpu(fitted.fused_[0])
    assert np.shape(fitted.lambda_) == ((64,) if factor == "vector" else ())


@pytest.mark.parametrize("encoder", [ConvEncoder(), Chemception()])
def test_images(encoder):
    images = {"image": np.random.default_rng(0).random((40, 3, 20, 20), np.float32)}
    fitted = model(encoders=encoder, max_epochs=2).fit(images, Y[:40])
    wanted = model("cpu", encoders=encoder, max_epochs=2).fit(images, Y[:40])
    np.testing.assert_allclose(
        fitted.predict_proba(images), wanted.predict_proba(images), atol=1e-2
    )


def test_dropout_draws_from_the_guarded_generator():
    before = torch.cuda.get_rng_state()
    settings = {"encoders": MLPEncoder((8,), dropout=0.5)}
    one, two = (model(**settings).fit(X, Y).predict_proba(X) for _ in range(2))
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_replicas():
    samples = [train for train, _ in BootstrapOutOfBag(5, random_state=0).split(X, Y)]
    many = fit_replicas(model(early_stopping=True), X, Y, samples)
    for fitted, rows in zip(many, samples, strict=True):
        assert is_on_gpu(fitted)
        alone = model(early_stopping=True).fit(X[rows], Y[rows])
        np.testing.assert_allclose(
            fitted.predict_proba(X), alone.predict_proba(X), atol=1e-4
        )


def test_warm_start_and_partial_fit():
    fitted = model(warm_start=True).fit(X, Y).fit(X, Y).partial_fit(X, Y)
    assert is_on_gpu(fitted) and fitted.n_iter_ == 13


def test_a_checkpoint_goes_on_from_the_gpu(tmp_path, monkeypatch):
    from skmm.training import TensorNet

    path, original = tmp_path / "fit.ckpt", TensorNet._lean_step

    def step(self, rows, target):
        if len(self.history) == 4:
            raise KeyboardInterrupt
        return original(self, rows, target)

    settings = {"encoders": MLPEncoder((8,), dropout=0.5), "checkpoint": path}
    with monkeypatch.context() as patch:
        patch.setattr(TensorNet, "_lean_step", step)
        with pytest.raises(KeyboardInterrupt):
            model(**settings).fit(X, Y)
    resumed = model(**settings).fit(X, Y)
    whole = model(**settings).fit(X, Y)
    np.testing.assert_allclose(
        resumed.predict_proba(X), whole.predict_proba(X), atol=1e-5
    )


def test_pickle_and_save(tmp_path):
    fitted = model(stages=STAGES).fit(X, Y)
    fitted.save(tmp_path / "model.safetensors")
    loaded = skmm.load(tmp_path / "model.safetensors")
    for copy in (pickle.loads(pickle.dumps(fitted)), loaded):
        assert is_on_gpu(copy)
        np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))


every_kind_of_net = pytest.mark.parametrize(
    "settings",
    [
        {"cls": FusionClassifier},
        {"cls": ResidualFusionClassifier},
        {"cls": GradientBlendingClassifier},
        {"cls": DynamicFusionClassifier, "gate": "soft"},
    ],
    ids=lambda settings: settings["cls"].__name__,
)


@every_kind_of_net
@pytest.mark.parametrize("start, end", [(GPU, "cpu"), ("cpu", GPU)])
def test_save_on_one_device_and_go_on_with_another(start, end, settings, tmp_path):
    """A loaded net is on the device of its parameter, which may be changed after."""
    path, rows = tmp_path / "model.safetensors", with_holes(X)
    fitted = model(start, warm_start=True, **settings).fit(rows, Y)
    fitted.save(path)
    loaded = skmm.load(path)
    expected = fitted.predict_proba(rows)
    np.testing.assert_allclose(loaded.predict_proba(rows), expected, atol=1e-6)
    moved = loaded.set_params(device=end, max_epochs=1).fit(rows, Y)
    devices = {p.device.type for p in moved.net_.module_.parameters()}
    assert devices == {torch.device(end).type}
    alone = fitted.set_params(max_epochs=1).fit(rows, Y)
    assert_same_answers(moved, alone, rows, atol=1e-2)


@every_kind_of_net
def test_what_the_gpu_saved_is_read_without_one(settings, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    fitted = model(**settings).fit(X, Y)
    fitted.save(path)
    without_gpu(monkeypatch)
    loaded = skmm.load(path)
    assert {p.device.type for p in loaded.net_.module_.parameters()} == {"cpu"}
    monkeypatch.undo()
    assert_same_answers(loaded, fitted, X)


def without_gpu(monkeypatch):
    """Let devices be resolved as where there is no GPU."""

    def only_cpu(device):
        if torch.device(device).type != "cpu":
            raise ValueError("there is none")
        return torch.device("cpu")

    monkeypatch.setattr("skmm.base.net_state.resolve_device", only_cpu)


def test_memory_is_given_back():
    """What a fit puts on the device goes with the estimator; only weights stay."""
    wide = {
        "a": np.ones((2000, 500), np.float32),
        "b": np.ones((2000, 500), np.float32),
    }
    y = np.arange(2000) % 2
    model(max_epochs=1).fit(wide, y)  # kernels and their workspaces
    before = allocated()
    fitted = model(max_epochs=2, stages=STAGES).fit(wide, y)
    fitted.predict_proba(wide)
    weights = sum(p.nbytes for p in fitted.net_.module_.parameters())
    assert allocated() - before <= 5 * weights  # gradients and moments
    del fitted
    assert allocated() <= before


def test_a_fit_takes_little_more_than_the_data():
    rows = 4 * SLICE_BYTES // 4000
    wide = {"a": np.ones((rows, 1000), np.float32)}
    y = np.arange(rows) % 2
    before = allocated()
    torch.cuda.reset_peak_memory_stats()
    model(max_epochs=1, encoders=MLPEncoder((8,))).fit(wide, y).predict_proba(wide)
    assert torch.cuda.max_memory_allocated() - before <= 1.5 * wide["a"].nbytes


@pytest.fixture
def small_device():
    """Let this process have 200 MB more than now."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    limit = torch.cuda.memory_reserved() + 2e8
    torch.cuda.set_per_process_memory_fraction(limit / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_too_large_a_batch_is_named(small_device):
    rows = {"a": np.ones((400_000, 10), np.float32)}
    large = model(encoders=MLPEncoder((512,)), batch_size=400_000, max_epochs=1)
    with pytest.raises(MemoryError, match="batch_size=400000"):
        large.fit(rows, np.arange(400_000) % 2)


def test_too_large_data_are_named(small_device):
    rows = {"a": np.ones((10_000, 10_000), np.float32)}
    with pytest.raises(MemoryError, match="memory-map"):
        model(max_epochs=1).fit(rows, np.arange(10_000) % 2)


def allocated():
    gc.collect()
    torch.cuda.synchronize()
    return torch.cuda.memory_allocated()


def test_importances_as_on_the_cpu():
    importances = [
        modality_importance(model(device).fit(X, Y), X, Y, random_state=0).importances
        for device in (GPU, "cpu")
    ]
    np.testing.assert_allclose(*importances, atol=1e-2)


@complete_or_not
def test_interactions_as_on_the_cpu(rows):
    gpu, cpu = on_both(rows, Y, fusion="tensor", encoders=MLPEncoder((4,)))
    found, expected = (emap(fitted, rows[:60], Y[:60]) for fitted in (gpu, cpu))
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-2)
    shares = found.interaction_share, expected.interaction_share
    np.testing.assert_allclose(*shares, atol=1e-2)
