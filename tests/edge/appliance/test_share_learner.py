"""The share of foreign things: learned from looks, kept, forgotten; and what staff says."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import sqlite_utils
from click.testing import CliRunner

from catalog.bundles.bundle import Bundle
from catalog.core.errors import SurroundingsError
from catalog.core.settings import DeviceSettings
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import Evidence
from edge.appliance import judgements
from edge.appliance.appliance import Appliance
from edge.appliance.counted_looks import MOST_CATALOGUES, MOST_LOOKS
from edge.appliance.judgements import Judgements
from edge.appliance.share_learner import FILE, ShareLearner
from edge.cli.cli import forget
from edge.settings import EdgeSettings
from edge.sighting import Judgement, Said, Sighting, Word
from tests.edge.appliance.test_appliance import until
from tests.support.web_stand_in import CUP, GEAR, StandInDevice

FOREIGN, OWN = Evidence(-6.0, 0.5), Evidence(6.0, 0.1)


def look(evidence: Evidence | None, verdict: Verdict = Verdict.MATCH) -> Sighting:
    found = [] if verdict in (Verdict.UNKNOWN, Verdict.NOTHING) else [(CUP, 0.9), (GEAR, 0.5)]
    return replace(StandInDevice().sighting(verdict, found, look=CUP), evidence=evidence)


@pytest.fixture
def learner(tmp_path: Path) -> ShareLearner:
    return opened(tmp_path)


def opened(folder: Path) -> ShareLearner:
    learner = ShareLearner(folder, 0.2)
    learner.use("things")
    return learner


def looks(number: int, evidence: Evidence) -> list[Sighting]:
    """Sightings that differ by their ids alone."""
    first = look(evidence)
    return [replace(first, id=f"{first.id}-{place}") for place in range(number)]


def test_it_begins_with_the_setting_and_follows_the_looks(learner: ShareLearner) -> None:
    assert learner.share == 0.2
    for sighting in looks(100, FOREIGN) + looks(100, OWN):
        learner.count(sighting)
    assert learner.share == pytest.approx(0.44, abs=0.02)
    assert learner.learned().looks == 200


def test_nothing_and_what_a_code_named_are_no_looks(learner: ShareLearner) -> None:
    learner.count(look(FOREIGN, Verdict.NOTHING))
    learner.count(look(None))
    assert learner.learned().looks == 0


@pytest.mark.parametrize(
    ("verdict", "word", "in_catalogue"),
    [
        (Verdict.MATCH, "right", True),
        (Verdict.MATCH, "wrong", None),
        (Verdict.ONE_OF, "right", True),
        (Verdict.PERHAPS, "right", True),
        (Verdict.PERHAPS, "wrong", None),
        (Verdict.UNKNOWN, "right", False),
        (Verdict.UNKNOWN, "wrong", True),
        (Verdict.UNKNOWN, "item", True),
        (Verdict.MATCH, "item", True),
        (Verdict.MATCH, "foreign", False),
        (Verdict.ONE_OF, "foreign", False),
        (Verdict.PERHAPS, "foreign", False),
        (Verdict.UNKNOWN, "foreign", False),
    ],
)
def test_what_staff_says_is_known(verdict: Verdict, word: Word, in_catalogue: bool | None) -> None:
    assert Judgement(look(OWN, verdict), word).in_catalogue is in_catalogue


def test_a_judgement_takes_the_place_of_its_look(learner: ShareLearner) -> None:
    sightings = [
        replace(sighting, verdict=Verdict.UNKNOWN) for sighting in looks(50, Evidence(0.0, 0.5))
    ]
    for sighting in sightings:
        learner.count(sighting)
    undecided = learner.share
    for sighting in sightings:
        learner.judge(Judgement(sighting, "right"))
    assert learner.share == pytest.approx((50 + 10) / 100)
    assert undecided < learner.share
    for sighting in sightings:  # a second judgement replaces the first
        learner.judge(Judgement(sighting, "item", "CUP-01"))
    assert learner.share == pytest.approx(10 / 100)
    assert learner.learned().looks == learner.learned().judged == 50


def test_a_wrong_name_speaks_for_a_foreign_thing_and_proves_none(learner: ShareLearner) -> None:
    sighting = look(Evidence(1.0, 0.05))
    learner.count(sighting)
    before = learner.share
    learner.judge(Judgement(sighting, "wrong"))
    assert before < learner.share < (50 * 0.2 + 1) / 51


def test_a_visitors_choice_is_half_a_look_until_staff_judge_it(learner: ShareLearner) -> None:
    sightings = looks(50, Evidence(0.0, 0.5))
    for sighting in sightings:
        learner.count(sighting)
    undecided = learner.share
    for sighting in (*sightings, *sightings):  # a second choice of a sighting adds nothing
        learner.choose(sighting)
    chosen = learner.learned()
    assert (chosen.looks, chosen.judged) == (50, 25)
    assert 10 / 100 < learner.share < undecided
    for sighting in sightings:
        learner.judge(Judgement(sighting, "foreign"))
        learner.choose(sighting)  # staff know better
    assert learner.share == pytest.approx((50 + 10) / 100)
    assert learner.learned().looks == learner.learned().judged == 50


def test_what_staff_ruled_out_no_visitor_brings_back(learner: ShareLearner) -> None:
    sightings = looks(50, Evidence(1.0, -2.0))
    for sighting in sightings:
        learner.count(sighting)
        learner.judge(Judgement(sighting, "wrong"))
    ruled_out = learner.learned()
    for sighting in sightings:
        learner.choose(sighting)
    assert learner.learned() == ruled_out


def test_staff_may_judge_a_sighting_that_only_the_history_keeps(learner: ShareLearner) -> None:
    sighting = look(OWN)
    learner.count(sighting)
    learner.choose(sighting)
    learner.judge(Judgement(replace(sighting, evidence=None), "foreign"))
    assert learner.learned().judged == 1
    assert learner.share == pytest.approx((50 * 0.2 + 1) / 51)


def test_a_look_that_counts_half_is_chosen_and_judged_as_half(learner: ShareLearner) -> None:
    sightings = looks(int(MOST_LOOKS) + 1, OWN)
    for sighting in sightings:
        learner.count(sighting)
    halved = learner.learned().looks
    assert halved == round((MOST_LOOKS + 1) / 2, 1)
    for sighting in sightings[-10:]:
        learner.choose(sighting)
    assert (learner.learned().looks, learner.learned().judged) == (halved, 2.5)
    for sighting in sightings[-10:]:
        learner.judge(Judgement(sighting, "foreign"))
    assert (learner.learned().looks, learner.learned().judged) == (halved, 5)


def test_a_catalogue_that_was_forgotten_is_not_begun_by_a_choice(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    sighting = look(OWN)
    learner.count(sighting)
    for number in range(MOST_CATALOGUES):
        learner.use(f"catalogue {number}")
        learner.count(replace(look(OWN), id=f"other-{number}"))
    learner.choose(sighting)
    learner.use("things")
    assert learner.learned().looks == 0


def test_a_choice_of_a_sighting_that_was_not_counted_changes_nothing(learner: ShareLearner) -> None:
    learner.choose(look(OWN))
    assert learner.learned().looks == 0


def test_a_judgement_of_a_sighting_that_was_not_counted_changes_nothing(
    learner: ShareLearner,
) -> None:
    learner.judge(Judgement(look(FOREIGN), "right"))
    assert learner.share == 0.2


def test_it_is_kept_for_each_catalogue(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    for sighting in looks(100, FOREIGN):
        learner.count(sighting)
    share = learner.share
    learner.save()
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    again = ShareLearner(tmp_path, 0.2)
    assert again.share == 0.2
    again.use("things")
    assert again.share == pytest.approx(share, abs=1e-3)
    again.use("")
    assert again.share == 0.2


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff", b'{"catalogues": {"a": [1, 2]}}', b'{"catalogues": {"a": [NaN]}}', b"[]"],
)
def test_a_damaged_file_is_begun_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        learner = opened(tmp_path)
    assert "damaged; the share of foreign things is learned anew" in caplog.text
    learner.count(look(FOREIGN))
    learner.save()
    assert opened(tmp_path).learned().looks == 1


def test_it_is_forgotten_while_the_device_runs(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    learner.count(look(FOREIGN))
    learner.save()
    (tmp_path / FILE).unlink()
    learner.save(at_once=False)
    assert learner.learned().looks == 0
    assert learner.share == 0.2
    assert not (tmp_path / FILE).exists()


def test_the_file_is_seldom_written_and_soon_after_a_judgement(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    sighting = look(FOREIGN)
    learner.count(sighting)
    learner.save(at_once=False)
    first = (tmp_path / FILE).read_bytes()
    learner.count(look(FOREIGN))
    learner.save(at_once=False)
    assert (tmp_path / FILE).read_bytes() == first
    learner.judge(Judgement(sighting, "right"))
    learner.save(at_once=False)
    assert (tmp_path / FILE).read_bytes() != first


def test_old_looks_and_old_catalogues_make_room(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    for sighting in looks(int(MOST_LOOKS) + 10, OWN):
        learner.count(sighting)
    assert learner.learned().looks < MOST_LOOKS
    for number in range(2 * MOST_CATALOGUES):
        learner.use(f"catalogue {number}")
        learner.count(look(OWN))
    learner.save()
    assert len(json.loads((tmp_path / FILE).read_text())["catalogues"]) == MOST_CATALOGUES


def test_a_running_device_learns_keeps_and_forgets(
    small_bundle: Path, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    photo = sorted(things.glob("*/*.png"))[0]
    (tmp_path / "pictures" / photo.name).write_bytes(photo.read_bytes())
    settings = EdgeSettings.model_validate(
        {"camera": str(tmp_path / "pictures"), "interval_ms": 20, "fps": 60, "foreign_share": 0.3}
    )
    device = DeviceSettings(data_dir=tmp_path)
    appliance = Appliance(settings, Bundle.open(small_bundle), state_folder=device.state)
    appliance.start()
    until(lambda: [seen for seen in appliance.latest.all() if seen.evidence is not None])
    appliance.stop()
    (seen,) = [seen for seen in appliance.latest.all() if seen.evidence is not None]
    appliance.judge(Judgement(seen, "item", "thing-00"))
    known = appliance.status()["foreign_share"]
    assert known == {"setting": 0.3, "estimate": 0.2941, "looks": 1.0, "judged": 1.0}
    assert appliance.counters().foreign_share == pytest.approx(15 / 51)
    appliance.stop()  # keeps what was learned
    again = Appliance(settings, Bundle.open(small_bundle), state_folder=device.state)
    assert again.status()["foreign_share"] == known
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path))
    for words in ("forgotten: ", "nothing was learned yet"):
        answer = CliRunner().invoke(forget)
        assert answer.exit_code == 0
        assert words in answer.output
    assert not (device.state / FILE).exists()
    assert not (device.state / judgements.FILE).exists()


def test_judgements_are_stored_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgements, "MOST", 3)
    store = Judgements(tmp_path)
    sightings = [look(OWN) for _ in range(5)]
    for at, sighting in enumerate(sightings):
        store.add(Judgement(sighting, "wrong"), 1000.0 + at)
    store.add(Judgement(sightings[-1], "item", "GEAR/24"), 2000.0)
    rows = list(sqlite_utils.Database(tmp_path / judgements.FILE)["judgements"].rows)
    assert [row["sighting"] for row in rows] == [sighting.id for sighting in sightings[2:]]
    assert rows[-1]["verdict"] == "item"
    newest, oldest = sightings[-1].id, sightings[0].id
    assert store.said_of([newest, oldest]) == {newest: Said("item", "GEAR/24")}
    assert len(store.said_of(None)) == 3
    assert rows[-1]["sku"] == "GEAR/24"
    assert rows[0]["shown"] == '["CUP-01", "GEAR/24"]'
    assert (tmp_path / judgements.FILE).stat().st_mode & 0o077 == 0


def test_what_was_shown_stays_where_the_history_alone_keeps_the_sighting(tmp_path: Path) -> None:
    store, (known, unknown) = Judgements(tmp_path), looks(2, OWN)
    store.add(Judgement(unknown, "item", "GEAR/24", knows_shown=False), 1.0)
    store.add(Judgement(known, "right"), 2.0)
    store.add(Judgement(known, "item", "GEAR/24", knows_shown=False), 3.0)
    rows = list(sqlite_utils.Database(tmp_path / judgements.FILE)["judgements"].rows)
    assert [row["shown"] for row in rows] == [None, '["CUP-01", "GEAR/24"]']
    assert [row["verdict"] for row in rows] == ["item", "item"]


def test_a_damaged_store_of_judgements_is_set_aside(tmp_path: Path) -> None:
    assert Judgements(tmp_path).said_of(None) == {}
    (tmp_path / judgements.FILE).write_bytes(b"no database" * 100)
    assert Judgements(tmp_path).said_of(["any"]) == {}
    Judgements(tmp_path).add(Judgement(look(OWN), "right"), 1.0)
    assert sqlite_utils.Database(tmp_path / judgements.FILE)["judgements"].count == 1
    assert (tmp_path / "judgements.damaged").exists()


def test_a_judgement_that_cannot_be_stored_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(SurroundingsError, match=r"judgements\.db: cannot be written"):
        Judgements(tmp_path / "state").add(Judgement(look(OWN), "right"), 1.0)
