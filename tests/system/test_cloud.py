"""The cloud side's templates are sound, and allow what the device does and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from paho.mqtt.client import topic_matches_sub

from sync.fleet.jobs import Jobs
from sync.fleet.shadow import Shadow
from sync.provisioning.exchange import CREATE, provision_topic
from sync.provisioning.provisioner import CLAIM
from sync.reports.topics import NAMES, Topics
from sync.reports.transports.mqtt import MAX_SUBSCRIPTIONS
from tests.support.fleet_provisioning import Certificate, load_hook

CLOUD = Path(__file__).parents[2] / "cloud"
TEMPLATE = CLOUD / "visual-search.yaml"
THING = "THING"
FEATURES_TOPIC = "visual-search/{thing}/features"  # as docs/reporting.md names it
LINT = "from cfnlint.runner import main; main()"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    from cfnlint.decode import decode  # half a second, which each process would spend

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


@pytest.mark.parametrize("name", ["ClaimPolicy", "RenewalPolicy"])
def test_who_asks_for_a_certificate_may_do_that_alone(name: str, template: dict[str, Any]) -> None:
    """The topics are those that the device uses, and a claim has no thing's name."""
    statements = template["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
    allowed: dict[str, list[str]] = {}
    for statement in statements:
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            place = resource["Fn::Sub"].partition("${AWS::AccountId}:")[2]
            allowed.setdefault(statement["Action"], []).append(place)
    asked = [CREATE, provision_topic("${AWS::StackName}")]
    answers = [f"{topic}/{ending}" for topic in asked for ending in ("accepted", "rejected")]
    assert allowed.pop("iot:Connect", None) == (
        [f"client/{CLAIM}*"] if name == "ClaimPolicy" else None
    )
    assert allowed == {
        "iot:Publish": [f"topic/{topic}" for topic in asked],
        "iot:Subscribe": [f"topicfilter/{topic}" for topic in answers],
        "iot:Receive": [f"topic/{topic}" for topic in answers],
    }


def allowed_by(name: str, template: dict[str, Any]) -> dict[str, list[str]]:
    """What a policy of the fleet allows THING, by action."""
    document = template["Resources"][name]["Properties"]["PolicyDocument"]
    longest = json.dumps(document).replace("${AWS::Partition}", "aws-us-gov")
    longest = longest.replace("${AWS::Region}", "us-gov-east-1").replace("Fn::Sub", "")
    assert len(longest.replace("${AWS::AccountId}", "1" * 12).replace(" ", "")) < 2048
    found: dict[str, list[str]] = {}
    for statement in document["Statement"]:
        for resource in statement["Resource"]:
            place = resource["Fn::Sub"].replace("${!iot:Connection.Thing.ThingName}", THING)
            found.setdefault(statement["Action"], []).append(place.partition("AccountId}:")[2])
    return found


def test_a_device_of_a_fleet_may_use_its_own_shadow_alone(template: dict[str, Any]) -> None:
    shadow = Shadow(THING, dict, lambda desired: None)
    assert allowed_by("ShadowPolicy", template) == {
        "iot:Publish": [f"topic/{shadow.prefix}{verb}" for verb in ("get", "update")],
        "iot:Subscribe": [f"topicfilter/{topic}" for topic in shadow.topics],
        "iot:Receive": [f"topic/{topic}" for topic in shadow.topics],
    }
    assert len(shadow.topics) <= MAX_SUBSCRIPTIONS


def test_a_device_of_a_fleet_may_carry_out_its_own_jobs_alone(
    template: dict[str, Any], tmp_path: Path
) -> None:
    """A job's id stands where the star is."""
    jobs = Jobs(THING, tmp_path, {})
    assert allowed_by("JobsPolicy", template) == {
        "iot:Publish": [f"topic/{jobs.prefix}{verb}" for verb in ("start-next", "*/update")],
        "iot:Subscribe": [f"topicfilter/{topic}" for topic in jobs.topics],
        "iot:Receive": [f"topic/{topic.replace('+', '*')}" for topic in jobs.topics],
    }
    assert len(jobs.topics) <= MAX_SUBSCRIPTIONS


def test_the_template_of_provisioning(template: dict[str, Any]) -> None:
    """A thing is named by its serial number, and its certificate gets both policies."""
    found = template["Resources"]["ProvisioningTemplate"]["Properties"]
    text, more = found["TemplateBody"]["Fn::Sub"]
    condition, managed, unmanaged = more["Managed"]["Fn::If"]
    assert (condition, unmanaged) == ("Manages", "")
    body = json.loads(text.replace("${Managed}", ""))
    whole = json.loads(text.replace("${Managed}", managed["Fn::Sub"]))["Resources"]
    added = [resource for name, resource in whole.items() if name not in body["Resources"]]
    assert [resource["Properties"]["PolicyName"] for resource in added] == [
        "${ShadowPolicy}", "${JobsPolicy}",
    ]  # fmt: skip
    assert set(body["Parameters"]) == {"SerialNumber", "AWS::IoT::Certificate::Id"}
    kinds = {name: resource["Type"] for name, resource in body["Resources"].items()}
    assert sorted(kinds.values()) == [
        "AWS::IoT::Certificate", "AWS::IoT::Policy", "AWS::IoT::Policy", "AWS::IoT::Thing",
    ]  # fmt: skip
    names = body["Resources"]["thing"]["Properties"]["ThingName"]["Fn::Join"]
    assert names == ["", ["${ThingPrefix}", {"Ref": "SerialNumber"}]]
    policies = {
        resource["Properties"]["PolicyName"]
        for resource in body["Resources"].values()
        if resource["Type"] == "AWS::IoT::Policy"
    }
    assert policies == {"${DevicePolicy}", "${RenewalPolicy}"}
    assert found["PreProvisioningHook"]["TargetArn"] == {"Fn::GetAtt": ["ProvisioningHook", "Arn"]}


@pytest.mark.parametrize(
    ("client", "certificates", "allowed"),
    [
        ("claim-7", {}, True),
        ("claim-7", {"new": "ACTIVE"}, True),  # asked again after a power cut
        ("claim-7", {"other": "ACTIVE"}, False),
        ("claim-7", {"other": "INACTIVE"}, True),
        ("claim-7", {"other": "INACTIVE", "stolen": "REVOKED"}, False),
        ("visual-search-7", {"other": "ACTIVE", "stolen": "REVOKED"}, False),
        ("visual-search-7", {"other": "ACTIVE"}, True),  # it renews its own
        ("visual-search-8", {}, False),
    ],
)
def test_the_hook(client: str, certificates: dict[str, str], allowed: bool) -> None:
    """A claim gets no thing that has a working certificate, and a device no other thing."""
    now = datetime.now(UTC)
    fleet = Mock(
        things={"visual-search-7": list(certificates)} if certificates else {},
        certificates={
            name: Certificate(status, now + timedelta(days=1))
            for name, status in certificates.items()
        },
    )
    event = {"clientId": client, "certificateId": "new", "parameters": {"SerialNumber": "7"}}
    assert load_hook(fleet)(event, None) == {"allowProvisioning": allowed}


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
