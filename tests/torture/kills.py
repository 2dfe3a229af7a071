"""Who is killed, and when. Each kind waits for its moment, sends SIGKILL, and says what it did; "" if the moment never came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil
from torture.processes import family, kill, named, titled
from torture.watch import Watch
from torture.witness import look

MOMENT_S = (
    300.0  # the longest that a moment is waited for: two busy cores start a trial of two workers in a minute or two
)


@dataclass
class Scene:
    """One campaign that runs: its folder, its process, and the cluster that it joined, if it did."""

    root: Path
    process: Any  # subprocess.Popen
    rng: Random
    host: Any = None
    raylets: list[int] | None = None

    def alive(self) -> bool:
        return self.process.poll() is None

    def until(self, true: Callable[[], bool]) -> bool:
        """Whether it came true while the campaign ran."""
        end = time.monotonic() + MOMENT_S
        while self.alive() and time.monotonic() < end:
            if true():
                return True
            time.sleep(0.03)
        return False

    def reports(self) -> int:
        return sum(len(seen.lines) for seen in look(self.root).values())

    def under_way(self) -> bool:
        """Wait for a report of this process's trials, and a random while more."""
        before = self.reports()
        if not self.until(lambda: self.reports() > before):
            return False
        time.sleep(self.rng.uniform(0, 1.5))
        return self.alive()

    def trial_processes(self) -> list[psutil.Process]:
        """Of the unfinished trials, as they noted themselves, if they live and are Ray's."""
        ids = [seen.starts[-1]["pid"] for seen in look(self.root).values() if seen.outcome is None and seen.starts]
        found = [psutil.Process(pid) for pid in ids if psutil.pid_exists(pid)]
        return titled(found, "ray::")


Kind = Callable[[Scene], str]


def campaign_while_starting(scene: Scene) -> str:
    """Anywhere in the first seconds: imports, Ray's start, the study, the first trial."""
    wait = scene.rng.uniform(0.3, 9.0)
    time.sleep(wait)
    return _campaign(scene, f"{wait:.1f} s after its start")


def campaign_under_way(scene: Scene) -> str:
    return _campaign(scene, "while trials ran") if scene.under_way() else ""


def everything(scene: Scene) -> str:
    """As when the machine's power goes, but for the disk."""
    if not scene.under_way():
        return ""
    victims = family(scene.process.pid)
    kill(victims)
    return f"the campaign and all {len(victims) - 1} processes of its Ray"


def trial(scene: Scene) -> str:
    if not (scene.under_way() and scene.until(lambda: bool(scene.trial_processes()))):
        return ""
    victims = scene.trial_processes()
    if not victims:
        return ""
    kill([scene.rng.choice(victims)])
    return "a trial's process"


def own_raylet(scene: Scene) -> str:
    """The node of the campaign's own Ray: the campaign cannot go on and has to end."""
    if not scene.under_way():
        return ""
    victims = named(family(scene.process.pid), "raylet")
    if not victims:
        return ""
    kill(victims)
    return "the raylet of the campaign's own Ray"


def node(scene: Scene) -> str:
    """A node of the cluster, with what runs there; another one comes two seconds later."""
    if not (scene.raylets and scene.under_way()):
        return ""
    on_nodes = [(raylet, len(titled(family(raylet), "ray::"))) for raylet in scene.raylets]
    raylet, busy = max(on_nodes, key=lambda pair: pair[1])
    kill(family(raylet)[:1])
    scene.raylets.remove(raylet)
    time.sleep(2)
    scene.host.stdin.write("add\n")
    scene.host.stdin.flush()
    scene.raylets.append(json.loads(scene.host.stdout.readline())["raylet"])
    return f"a node's raylet ({busy} workers on it); another node added"


def train_worker(scene: Scene) -> str:
    return _of_ray(scene, "a Ray Train worker", "ray::RayTrainWorker", "ray::WorkerWrap")


def train_driver(scene: Scene) -> str:
    return _of_ray(scene, "a trial's driver", "ray::ImplicitFunc")


def train_controller(scene: Scene) -> str:
    return _of_ray(scene, "a trial's Train controller", "ray::TrainController")


def while_writing(pattern: str, *, victim: str = "campaign", most_skipped: int = 6) -> Kind:
    """A kind: at the moment when a file that matches is made or written, or up to 3 ms later."""

    def kind(scene: Scene) -> str:
        with Watch(scene.root) as watch:
            skip = scene.rng.randint(0, most_skipped)
            path = watch.wait(pattern, skip=skip, patience=MOMENT_S, alive=scene.alive)
        if path is None:
            return ""
        time.sleep(scene.rng.choice([0, 0, scene.rng.uniform(0, 0.003)]))
        what = path.relative_to(scene.root)
        if victim == "campaign":
            return _campaign(scene, f"as {what} was written")
        if not (victims := scene.trial_processes()):
            return ""
        kill(victims)
        return f"the trials' processes as {what} was written"

    return kind


writing_study = while_writing("*/study.journal", most_skipped=40)
writing_params = while_writing("*/trials/*/params.json.part", most_skipped=3)
writing_outcome = while_writing("*/trials/*/outcome.json.part", most_skipped=3)
writing_report = while_writing("*/trials/*/result.jsonl", victim="trial", most_skipped=12)
writing_checkpoint = while_writing("*/checkpoints/*.part", victim="trial", most_skipped=8)
campaign_at_checkpoint = while_writing("*/checkpoints/*.part", most_skipped=8)
writing_decision = while_writing("*/trials/*/rungs.jsonl", most_skipped=5)
writing_images = while_writing("*/data/*", most_skipped=2)


def _campaign(scene: Scene, when: str) -> str:
    if not scene.alive():
        return ""
    kill(family(scene.process.pid)[:1])
    return f"the campaign {when}"


def _of_ray(scene: Scene, what: str, *titles: str) -> str:
    def there() -> list[psutil.Process]:
        return titled(family(scene.process.pid), *titles)

    if not (scene.under_way() and scene.until(lambda: bool(there()))):
        return ""
    victims = there()
    if not victims:
        return ""
    kill([scene.rng.choice(victims)])
    return what
