"""The targets by name, and a profile as the text of a target's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml

from ctt_ray.deploy import kuberay, rayup, skypilot
from ctt_ray.deploy.profile import Profile

Target = Literal["ray", "raycluster", "rayjob", "skypilot"]


@dataclass(frozen=True)
class Kind:
    """documents: profile → the file's documents · start: how the file is used."""

    documents: Callable[[Profile], list[dict[str, Any]]]
    start: str


TARGETS: dict[Target, Kind] = {
    "ray": Kind(rayup.documents, "ray up FILE, then ray exec FILE --tmux 'COMMAND'"),
    "raycluster": Kind(kuberay.cluster, "kubectl apply -f FILE, then ray job submit"),
    "rayjob": Kind(kuberay.job, "kubectl apply -f FILE"),
    "skypilot": Kind(
        skypilot.documents, "sky jobs launch --secret RAY_AUTH_TOKEN=$(ray get-auth-token --generate) FILE"
    ),
}
assert tuple(TARGETS) == get_args(Target)


def render(profile: Profile, target: Target) -> str:
    """YAML, with a head that says where it comes from. Raises ConfigError for what the target needs and is not given."""
    kind = TARGETS[target]
    head = [
        f"# Rendered: python -m ctt_ray.doctor --render {target} --profile PROFILE. Change the profile, not this file.",
        f"# Start: {kind.start} (docs/clusters.md)",
        f"# Command: {profile.job}",
    ]
    body = yaml.dump_all(kind.documents(profile), Dumper=_Readable, sort_keys=False, width=200)
    return "\n".join(head) + "\n" + body


class _Readable(yaml.SafeDumper):
    """Scripts as blocks, and no anchors where two places have the same values."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)
