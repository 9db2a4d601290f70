"""The validator: whatever a bundle does to the child, it is accepted or refused with a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.bundles import golden_queries, validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.golden_queries import (
    PICTURES,
    QUERIES,
    RECALL_LOST,
    GoldenQueries,
    check_golden_queries,
    read_golden_queries,
)
from catalog.bundles.manifest import read_manifest, verify
from catalog.bundles.validator import BEGAN, MEMORY, PRINTED, SECONDS, _answer, validate
from catalog.core.errors import (
    BundleError,
    MissingExtraError,
    SlowBundleError,
    SurroundingsError,
)
from catalog.core.photos import Picture
from catalog.core.vectors import Rows, Vectors
from catalog.networks.engines.choice import CHOICES
from catalog.networks.network import Network, read_descriptor
from catalog.recognition.index import build_annoy
from catalog.recognition.local_features.extract import DIMENSIONS, LocalFeatures
from catalog.recognition.local_features.store import LocalFeatureWriter
from tests.conftest import sign_again
from tests.support import networks
from tests.support.networks import write_network


def spoil_probes(bundle: Path, **arrays: object) -> None:
    """Replace arrays of ``probes.npz``."""
    with np.load(bundle / "probes.npz") as data:
        kept = dict(data)
    np.savez_compressed(bundle / "probes.npz", **(kept | arrays))
    sign_again(bundle)


def ask(bundle: Path) -> dict[str, float]:
    """Check the golden queries without a child process."""
    return check_golden_queries(Bundle.open(bundle))


@pytest.mark.parametrize("engine", CHOICES)
@pytest.mark.slow
def test_a_healthy_bundle_passes_on_each_engine(small_bundle: Path, engine: str) -> None:
    passed = validate(small_bundle, engine)
    assert passed.bundle == verify(small_bundle)[1]
    assert passed.engine == engine
    assert passed.cosine > 0.999
    assert passed.recall > 0.98


def test_golden_queries_have_pictures_and_at_least_500_vectors(small_bundle: Path) -> None:
    probes = read_golden_queries(small_bundle / "probes.npz")
    assert len(probes.pictures) == len(probes.vectors) == PICTURES
    assert probes.queries.shape == (QUERIES, 48)
    assert QUERIES >= 500
    assert probes.rows.shape == (QUERIES, 10)


@pytest.mark.slow
def test_a_garbage_index_with_right_digests_is_refused(own_bundle: Path) -> None:
    index = own_bundle / "index.ann"
    size = index.stat().st_size
    index.write_bytes(np.random.default_rng(1).bytes(size))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        validate(own_bundle)


@pytest.mark.slow
def test_flipped_index_bytes_with_right_digests_never_reach_this_process(own_bundle: Path) -> None:
    index = own_bundle / "index.ann"
    healthy = bytearray(index.read_bytes())
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(2):
        spoilt = healthy.copy()
        for place in random.integers(len(spoilt) // 2, len(spoilt), 60):
            spoilt[place] ^= 0xFF
        index.write_bytes(spoilt)
        sign_again(own_bundle)
        with suppress(BundleError):
            validate(own_bundle)
            continue
        refused += 1
    assert refused


def test_a_crash_of_the_child_is_told_with_its_signal(own_bundle: Path) -> None:
    index = own_bundle / "index.ann"
    nodes = np.frombuffer(index.read_bytes(), np.int32).reshape(-1, 3 + 48).copy()
    nodes[24:, 1:25] = 0x7FFFFF00  # the trees' children lie far outside the file
    index.write_bytes(nodes.tobytes())
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"the bundle crashes whoever opens it \(SIG"):
        validate(own_bundle)


@pytest.mark.slow
def test_an_index_cut_short_with_right_digests_is_refused(own_bundle: Path) -> None:
    index = own_bundle / "index.ann"
    index.write_bytes(index.read_bytes()[: index.stat().st_size // 4])
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        validate(own_bundle)


def test_a_sound_bundle_finds_as_much_as_at_its_build(small_bundle: Path) -> None:
    answers = ask(small_bundle)
    assert answers["recall"] >= answers["expected_recall"] - 0.02 > 0.9
    assert answers["cosine"] > 0.9999


def test_swapped_colours_are_refused_by_the_golden_pictures(own_bundle: Path) -> None:
    file = own_bundle / "featurizer" / "descriptor.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"channels": "bgr"}))
    sign_with_this_featurizer(own_bundle)
    with pytest.raises(BundleError, match="turns the probe pictures into other vectors"):
        ask(own_bundle)


def test_a_slightly_wrong_mean_is_refused_by_the_golden_pictures(own_bundle: Path) -> None:
    file = own_bundle / "featurizer" / "descriptor.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"mean": [104, 117, 123]}))
    sign_with_this_featurizer(own_bundle)
    with pytest.raises(BundleError, match="turns the probe pictures into other vectors"):
        ask(own_bundle)


def sign_with_this_featurizer(bundle: Path) -> None:
    """Sign again, the featurizer's id put right as well."""
    featurizer = Network(bundle / "featurizer", read_descriptor(bundle / "featurizer"))
    entry = json.loads((bundle / "manifest.json").read_bytes())["featurizer"]
    sign_again(bundle, featurizer=entry | {"id": featurizer.id})


def test_a_network_that_answers_nan_is_refused(own_bundle: Path) -> None:
    write_network(networks.logarithm(), own_bundle / "featurizer" / "network.onnx")
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="made with"):
        ask(own_bundle)


def test_an_index_of_shuffled_vectors_is_refused(own_bundle: Path) -> None:
    vectors = np.load(own_bundle / "vectors.npy")
    shuffled = vectors[np.random.default_rng(1).permutation(len(vectors))]
    build_annoy(shuffled, own_bundle / "index.ann", 20)
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="the index"):
        ask(own_bundle)


def test_shuffled_vectors_under_the_right_index_are_refused(own_bundle: Path) -> None:
    vectors = np.load(own_bundle / "vectors.npy")
    np.save(own_bundle / "vectors.npy", vectors[::-1])
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="the index was not made from the bundle's vectors"):
        ask(own_bundle)


def test_vectors_and_index_shuffled_together_are_refused_by_recall(own_bundle: Path) -> None:
    vectors = np.load(own_bundle / "vectors.npy")
    shuffled = vectors[np.random.default_rng(1).permutation(len(vectors))]
    np.save(own_bundle / "vectors.npy", shuffled)
    build_annoy(shuffled, own_bundle / "index.ann", 20)
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="of the probe queries' neighbours"):
        ask(own_bundle)


@pytest.mark.parametrize("goes_wrong", [lambda count: count == 1, lambda count: count > 1])
def test_an_engine_that_goes_wrong_with_one_picture_or_with_several_is_refused(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch, goes_wrong: Callable[[int], bool]
) -> None:
    bundle = Bundle.open(own_bundle)
    raw = bundle.featurizer.raw

    def wrong(images: Sequence[Picture]) -> Vectors:
        made = raw(images)
        return -made if goes_wrong(len(images)) else made

    check_golden_queries(bundle)
    monkeypatch.setattr(bundle.featurizer, "raw", wrong)
    with pytest.raises(BundleError, match="turns the probe pictures into other vectors"):
        check_golden_queries(bundle)


def test_local_features_of_absent_photos_are_refused(own_bundle: Path) -> None:
    writer, photos = LocalFeatureWriter(own_bundle), read_manifest(own_bundle)[0].photos
    for _ in range(photos):
        codes = np.eye(2, DIMENSIONS, dtype=np.int8)
        writer.add(LocalFeatures(codes, np.zeros((2, 4), np.uint8)))
    writer.finish()
    sign_again(own_bundle, printed={"features": 2 * photos})
    assert ask(own_bundle)["cosine"] > 0.9999
    file = own_bundle / "printed" / "photos.npy"
    owners = np.load(file)
    owners[3] = photos
    np.save(file, owners)
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="local features name what does not exist"):
        ask(own_bundle)


def test_too_few_answers_are_not_forgiven(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneAnswer:
        def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
            return rows[:1], bundle.vectors()[:1].astype(np.float32) @ query

    bundle = Bundle.open(own_bundle)
    rows = np.arange(1)
    monkeypatch.setattr(bundle, "index", lambda *, exact=False: OneAnswer())
    with pytest.raises(BundleError, match="of the probe queries' neighbours"):
        check_golden_queries(bundle)


@pytest.mark.parametrize(
    "arrays",
    [
        {"vectors": np.zeros((0, 48), np.float32)},
        {"queries": np.zeros((500, 3), np.float16)},
        {"rows": np.full((500, 10), 10**6, np.int32)},
    ],
    ids=["no looks", "short queries", "rows beyond"],
)
@pytest.mark.slow
def test_spoilt_golden_queries_are_refused(own_bundle: Path, arrays: dict[str, object]) -> None:
    spoil_probes(own_bundle, **arrays)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        validate(own_bundle)


def test_golden_queries_that_unpack_to_gigabytes_are_refused_unread(own_bundle: Path) -> None:
    with zipfile.ZipFile(own_bundle / "probes.npz", "a", zipfile.ZIP_DEFLATED) as probes:
        probes.writestr("more.npy", bytes(300 << 20))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="larger than any"):
        ask(own_bundle)


@pytest.mark.parametrize("name", ["probes.npz", "items.db"])
@pytest.mark.slow
def test_a_garbage_file_with_right_digests_is_refused(own_bundle: Path, name: str) -> None:
    (own_bundle / name).write_bytes(np.random.default_rng(1).bytes(3000))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        validate(own_bundle)


def test_a_damaged_bundle_is_refused_before_the_child_starts(own_bundle: Path) -> None:
    with (own_bundle / "index.ann").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"index\.ann is damaged"):
        validate(own_bundle)


@pytest.mark.slow
def test_modules_in_the_current_folder_are_not_the_childs(
    own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("catalog.py", "numpy.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('foreign')")
    monkeypatch.chdir(tmp_path)
    assert validate(Path(own_bundle.name)).recall > 0.98


@pytest.mark.parametrize(
    "arrays",
    [
        {"vectors": np.full((PICTURES, 48), np.nan, np.float32)},
        {"recall": np.float64(np.nan)},
        {"queries": np.full((500, 48), np.nan, np.float16)},
    ],
    ids=["vectors", "recall", "queries"],
)
def test_golden_queries_that_are_no_numbers_do_not_pass(
    own_bundle: Path, arrays: dict[str, object]
) -> None:
    spoil_probes(own_bundle, **arrays)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        ask(own_bundle)


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 11)", "sys.exit('no such library')"])
def test_a_child_that_dies_before_it_begins_is_no_verdict(
    own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import os, sys\n{how}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match="cannot begin on this machine"):
        validate(own_bundle)


def test_an_instruction_that_the_processor_lacks_is_no_verdict(
    own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 4)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match="lacks an instruction"):
        validate(own_bundle)


CHILD = """
import json, resource
from pathlib import Path
from catalog.bundles import validator
from catalog.core.errors import BundleError, MissingExtraError

answers = []
for error in (MemoryError(), MissingExtraError("a network", "onnxruntime"), BundleError("no")):
    def fail(*_, error=error, **__):
        raise error

    validator.Bundle.open = fail
    answers.append(validator._child(Path("shop.bundle"), "auto"))
names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_FSIZE")
limits = [resource.getrlimit(getattr(resource, name)) for name in names]
score = Path("/proc/self/oom_score_adj").read_text()
print(json.dumps([answers, int(score), *limits]))
"""


def test_the_child_has_limits_and_says_what_was_wrong() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    answers, score, memory, processor, core, printed = json.loads(done.stdout)
    assert answers == [
        {"error": "shop.bundle: the bundle wants more than 6 GiB of memory"},
        {"missing_extra": "onnxruntime"},
        {"error": "no"},
    ]
    assert memory == [MEMORY, MEMORY]
    assert processor[0] == SECONDS
    assert processor[1] == SECONDS + 5  # SIGXCPU comes first, and can be told
    assert core == [0, 0]  # of gigabytes, for each bundle that crashes
    assert printed == [PRINTED, PRINTED]
    assert score == 1000, "where memory is short, it ends before the appliance"


def test_a_child_without_processor_time_is_slow_and_not_damaged() -> None:
    with pytest.raises(SlowBundleError, match="did not answer within 120 s"):
        _answer(-signal.SIGXCPU, f"{BEGAN}\n", "", Path("shop.bundle"))
    with pytest.raises(BundleError, match=r"crashes whoever opens it \(SIGSEGV\)") as crash:
        _answer(-signal.SIGSEGV, f"{BEGAN}\n", "", Path("shop.bundle"))
    assert not isinstance(crash.value, SlowBundleError)


CHILD_OF_ITS_OWN = """
import json, os
print("began")
print(json.dumps({"engine": str(os.getsid(0)), "cosine": 1.0, "recall": 0.5}), flush=True)
os._exit(0)
"""


def test_a_child_has_a_session_of_its_own_and_its_answer_counts(
    own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at the terminal ends the parent alone; the bundle is not to blame."""
    (tmp_path / "sitecustomize.py").write_text(CHILD_OF_ITS_OWN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = validate(own_bundle)
    assert (found.bundle, found.cosine, found.recall) == (verify(own_bundle)[1], 1.0, 0.5)
    assert found.engine != str(os.getsid(0))


@pytest.mark.parametrize(
    ("code", "out", "errors", "error", "said"),
    [
        (0, "", "", SurroundingsError, "the check cannot begin on this machine: no word"),
        (1, "Began", "one\ntwo\n", SurroundingsError, "cannot begin on this machine: two"),
        (1, f"{BEGAN}\n", "one\ntwo\n", BundleError, "the bundle cannot be opened: two"),
        (1, BEGAN, "x" * 2000, BundleError, "the bundle cannot be opened: " + "x" * 1000),
        (-9, f"{BEGAN}\n", "", SurroundingsError, r"the check was killed \(SIGKILL\), perhaps"),
        (-15, "", "", SurroundingsError, r"the check was killed \(SIGTERM\), perhaps for want"),
        (-4, f"{BEGAN}\n", "", SurroundingsError, r"lacks an instruction .* \(SIGILL\)"),
        (-6, f"{BEGAN}\n", "", BundleError, r"the bundle crashes whoever opens it \(SIGABRT\)"),
        (-11, "", "", SurroundingsError, "the check cannot begin on this machine: SIGSEGV"),
        (0, f"{BEGAN}\nno JSON", "", BundleError, "the bundle cannot be opened: no word"),
    ],
)
def test_what_ended_a_child_is_told_apart(
    code: int, out: str, errors: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=rf"shop\.bundle: .*{said}$|shop\.bundle: .*{said}\W"):
        _answer(code, out, errors, Path("shop.bundle"))


def test_what_a_child_printed_last_is_its_answer() -> None:
    """Whatever its engine printed before."""
    printed = f'{BEGAN}\na word of the engine\n{{"engine": "auto"}}\n'
    assert _answer(0, printed, "a warning", Path("shop.bundle")) == {"engine": "auto"}


def test_a_check_that_cannot_be_started_is_no_verdict(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(SurroundingsError, match="the check cannot be started: "):
        validate(small_bundle)


def test_a_child_that_takes_too_long_is_slow(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "SECONDS", 0.01)
    with pytest.raises(SlowBundleError, match=r"the bundle did not answer within 0\.01 s"):
        validate(small_bundle)


def test_a_child_that_lacks_an_engine_says_which_extra_helps(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = """print('began')
print('{"missing_extra": "onnxruntime"}', flush=True)
os._exit(0)
"""
    (tmp_path / "sitecustomize.py").write_text(f"import os\n{said}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"\[onnxruntime\]"):
        validate(small_bundle)


def test_golden_queries_that_hold_a_program_are_refused_unrun(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return (os.mkdir, (str(tmp_path / "made"),))

    np.savez(tmp_path / "probes.npz", vectors=np.array([Program()], object))
    with pytest.raises(BundleError, match="not a bundle's probes"):
        read_golden_queries(tmp_path / "probes.npz")
    assert not (tmp_path / "made").exists()


def test_golden_queries_may_be_as_large_as_the_limit(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(small_bundle / "probes.npz") as content:
        size = sum(entry.file_size for entry in content.infolist())
    monkeypatch.setattr(golden_queries, "LARGEST", size)
    assert len(read_golden_queries(small_bundle / "probes.npz").pictures) == PICTURES
    monkeypatch.setattr(golden_queries, "LARGEST", size - 1)
    with pytest.raises(BundleError, match="larger than any"):
        read_golden_queries(small_bundle / "probes.npz")


STORED = np.eye(8, dtype=np.float16)
ALONE = np.eye(1, 8, dtype=np.float32)


class Answering:
    """In place of a bundle: an index that answers what it is told."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        found: Sequence[Sequence[int]],
        expected: Sequence[Sequence[int]],
        recall: float = 1.0,
        stored: NDArray[np.float16] = STORED,
        error: float = 0.0,
    ) -> None:
        self.path, self.featurizer, self.checked = Path("shop"), self, 0
        self.engine = "an engine"
        self._found, self._stored, self._error = list(found), stored, error
        picture = np.zeros((1, 1, 3), np.uint8)
        queries = np.tile(ALONE, (len(found), 1))
        golden = GoldenQueries([picture], ALONE, queries, np.array(expected), recall)
        monkeypatch.setattr(golden_queries, "read_golden_queries", lambda _: golden)

    def ask(self) -> dict[str, float]:
        return check_golden_queries(cast(Bundle, self))

    def embed(self, pictures: Sequence[Picture]) -> Vectors:
        return ALONE[: len(pictures)]

    def index(self) -> Answering:
        return self

    def vectors(self) -> NDArray[np.float16]:
        return self._stored

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        rows = np.array(self._found.pop(0), int)
        inside = rows % len(self._stored)
        return rows, self._stored[inside].astype(np.float32) @ query + self._error

    def check_answers(self, *_: object) -> None:
        self.checked += 1


def test_an_index_is_measured_by_the_rows_that_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Answering(monkeypatch, [[0, 7]], [[0, 7]])
    assert exact.ask() == {"cosine": 1.0, "recall": 1.0, "expected_recall": 1.0}
    assert exact.checked == 1
    tie = Answering(monkeypatch, [[0, 5]], [[0, 7]])  # all but row 0 are as similar
    assert tie.ask()["recall"] == 1.0
    half = Answering(monkeypatch, [[3, 5]], [[0, 7]], recall=0.5)
    assert half.ask()["recall"] == 0.5
    short = Answering(monkeypatch, [[5]], [[0, 7]], recall=0.0)
    assert short.ask()["recall"] == 0.0, "too few rows are no tie"
    none = Answering(monkeypatch, [[]], [[0, 7]], recall=0.0)
    assert none.ask()["recall"] == 0.0


@pytest.mark.parametrize(("recall", "passes"), [(0.5 + RECALL_LOST, True), (0.511, False)])
def test_a_hundredth_of_the_recall_may_be_lost(
    recall: float, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Answering(monkeypatch, [[0], [3]], [[0], [0]], recall)
    assert 0.5 + RECALL_LOST - RECALL_LOST == 0.5
    if passes:
        assert bundle.ask()["recall"] == 0.5
    else:
        with pytest.raises(BundleError, match=r"finds 0\.500 of the probe queries' neighbours"):
            bundle.ask()


@pytest.mark.parametrize("row", [-1, 8])
def test_rows_that_do_not_exist_are_refused(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match="the index names rows that do not exist"):
        Answering(monkeypatch, [[0, row]], [[0, 7]]).ask()


def test_similarities_of_other_vectors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Answering(monkeypatch, [[0]], [[0]], error=0.0005).ask()
    with pytest.raises(BundleError, match="was not made from the bundle's vectors"):
        Answering(monkeypatch, [[0]], [[0]], error=0.002).ask()


def test_each_query_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="zip"):
        Answering(monkeypatch, [[0], [0]], [[0]]).ask()


def test_the_least_similar_picture_decides(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cosine = ask(small_bundle)["cosine"]
    monkeypatch.setattr(golden_queries, "LEAST_COSINE", cosine)
    assert ask(small_bundle)["recall"] <= 1.0
    monkeypatch.setattr(golden_queries, "LEAST_COSINE", np.nextafter(cosine, 2))
    with pytest.raises(BundleError, match="turns the probe pictures into other vectors"):
        ask(small_bundle)
