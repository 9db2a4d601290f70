"""The cloud side's templates are sound, and allow what the device does and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.decode import decode
from paho.mqtt.client import topic_matches_sub

from sync.reports.topics import NAMES, Topics

CLOUD = Path(__file__).parents[2] / "cloud"
TEMPLATE = CLOUD / "visual-search.yaml"
THING = "THING"
FEATURES_TOPIC = "visual-search/{thing}/features"  # as docs/reporting.md names it
LINT = "from cfnlint.runner import main; main()"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found, problems = decode(str(TEMPLATE))
    assert not problems
    return dict(found)


def test_cfn_lint() -> None:
    """The template passes cfn-lint, its informational rules included."""
    words = ["--include-checks", "I", "--", str(TEMPLATE)]
    checked = subprocess.run([sys.executable, "-c", LINT, *words], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_device_may_what_it_does(template: dict[str, Any]) -> None:
    """Each topic of the defaults is in the policy, and nothing is with a star but its rule's."""
    statements = template["Resources"]["DevicePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    allowed: dict[str, list[str]] = {}
    for statement in statements:
        resources = statement["Resource"]
        for one in resources if isinstance(resources, list) else [resources]:
            if "Fn::Sub" in one:
                place = one["Fn::Sub"].replace("${!iot:Connection.Thing.ThingName}", THING)
                allowed.setdefault(statement["Action"], []).append(place.split(":")[-1])
    topics = Topics(THING, features_topic=FEATURES_TOPIC)
    wanted = [topics.of(kind) for kind in (*NAMES, "features")] + [topics.answers]
    rule = Topics(THING, rule="${StoreReports}").of("status").replace("status", "*")
    assert allowed["iot:Publish"] == [f"topic/{one}" for one in [*wanted, rule]]
    assert allowed["iot:Subscribe"] == [f"topicfilter/{topics.commands}"]
    assert allowed["iot:Receive"] == [f"topic/{topics.commands}"]
    assert allowed["iot:Connect"] == [f"client/{THING}"]
    actions = {statement["Action"] for statement in statements}
    assert actions == {*allowed, "iot:AssumeRoleWithCertificate"}


def test_the_component_may_what_it_does() -> None:
    """The recipe's access control matches the topics that the reporter publishes to.

    It does so by MQTT wildcards alone, because a core does not fill in variables there.
    """
    recipe = yaml.safe_load((CLOUD / "greengrass-component.yaml").read_text())
    proxy = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    [policy] = proxy["aws.greengrass.ipc.mqttproxy"].values()
    assert policy["operations"] == ["aws.greengrass#PublishToIoTCore"]
    topics = Topics(THING, features_topic=FEATURES_TOPIC)
    for kind in (*NAMES, "features"):
        allowed = [topic_matches_sub(filter, topics.of(kind)) for filter in policy["resources"]]
        assert sum(allowed) == 1, kind
    assert len(policy["resources"]) == len(NAMES) + 1
    assert not any(topic_matches_sub(filter, topics.answers) for filter in policy["resources"])
    run = recipe["Manifests"][0]["Lifecycle"]["Run"]
    assert run["Setenv"]["VISUAL_SEARCH_OUTBOX__TRANSPORT"] == "greengrass-v2"
    assert run["Setenv"]["VISUAL_SEARCH_OUTBOX__RULE"] == ""  # by a rule they have other topics
