"""The cache of features: what is kept, what is never believed, and what happens when the disk is full."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tests.conftest import MakeImages
from tests.training.test_trainer import ended, epochs, make_training
from tl_engine.base.events import Event, Note, Progress
from tl_engine.base.settings import Settings
from tl_engine.networks.feature_cache import FeatureCache, GrowingShard
from tl_engine.training.trainer import train

GIGABYTE = 10**9


def cache(root: Path, pair: str = "pair", most: int = GIGABYTE) -> FeatureCache:
    return FeatureCache(root, pair, most)


def shards(root: Path) -> list[Path]:
    return sorted(root.rglob("*.safetensors"))


def embedded(events: list[Event]) -> int:
    """How many pictures went through the backbone."""
    done: dict[str, int] = {}
    for event in events:
        if isinstance(event, Progress) and event.stage.startswith("embedding"):
            done[event.stage] = event.done
    return sum(done.values())


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = torch.randn(3, 2, 4)
    cache(tmp_path).add(["a", "b", "c"], rows)
    found = cache(tmp_path).rows(["c", "a", "missing"])
    assert set(found) == {"a", "c"}
    assert torch.equal(found["c"], rows[2])


def test_another_pair_never_meets_these_rows(tmp_path: Path) -> None:
    cache(tmp_path).add(["a"], torch.ones(1, 2))
    assert cache(tmp_path, "another").rows(["a"]) == {}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_shard_is_deleted_and_not_believed(damage: str, tmp_path: Path) -> None:
    cache(tmp_path).add(["a"], torch.ones(1, 64))
    (shard,) = shards(tmp_path)
    content = bytearray(shard.read_bytes())
    content[-5] ^= 0xFF
    flipped = bytes(content)
    shard.write_bytes({"flip": flipped, "cut": flipped[:-40], "empty": b"", "text": b"no shard"}[damage])
    assert cache(tmp_path).rows(["a"]) == {}
    assert shards(tmp_path) == []


def test_two_runs_see_what_the_other_wrote_meanwhile(tmp_path: Path) -> None:
    first, second = cache(tmp_path), cache(tmp_path)
    assert second.rows(["a"]) == {}
    first.add(["a"], torch.ones(1, 2))
    second.add(["b"], torch.zeros(1, 2))
    assert set(second.rows(["a", "b"])) == set(first.rows(["a", "b"])) == {"a", "b"}


def test_the_pair_unused_longest_makes_room_and_the_one_in_use_stays(tmp_path: Path) -> None:
    block = torch.ones(1, 1000)  # 4,000 bytes and a header
    for age, pair in ((300, "oldest"), (200, "older")):
        old = cache(tmp_path, pair)
        old.add(["a"], block)
        then = (old.folder / "used").stat().st_mtime - age
        os.utime(old.folder / "used", (then, then))
    new = cache(tmp_path, "new", most=10_000)
    new.add(["a"], block)
    assert [bool(cache(tmp_path, pair).rows(["a"])) for pair in ("oldest", "older", "new")] == [False, True, True]
    new.add(["b"], block)
    assert new.problem is None
    new.add(["c"], block)
    assert "has reached" in str(new.problem)
    assert set(new.rows(["a", "b", "c"])) == {"a", "b"}


def test_a_disk_that_takes_nothing_turns_the_cache_off_and_training_goes_on(
    make_images: MakeImages, settings: Settings
) -> None:
    settings.cache.parent.mkdir(parents=True, exist_ok=True)
    settings.cache.write_text("a file where the folder should be")
    events = list(train(make_training(make_images(), settings)))
    assert ended(events).state == "finished"
    assert any("feature cache is off" in event.message for event in events if isinstance(event, Note))


@pytest.mark.slow
def test_a_second_run_embeds_nothing_and_learns_the_same(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    first, second = (list(train(make_training(folder, settings))) for _ in range(2))
    assert (embedded(first), embedded(second)) == (12, 0)
    assert [e.val_loss for e in epochs(first)] == [e.val_loss for e in epochs(second)]


@pytest.mark.slow
def test_new_and_changed_photos_alone_are_embedded(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    list(train(make_training(folder, settings)))
    (folder / "red" / "0.png").write_bytes((folder / "blue" / "0.png").read_bytes())  # known bytes under another name
    content = (folder / "red" / "1.png").read_bytes()
    from PIL import Image

    Image.new("RGB", (16, 16), "orange").save(folder / "red" / "new.png")
    Image.new("RGB", (16, 16), "purple").save(folder / "red" / "1.png")
    assert content != (folder / "red" / "1.png").read_bytes()
    assert embedded(list(train(make_training(folder, settings)))) == 2


@pytest.mark.slow
def test_augmented_views_are_kept_too(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    options = {"augmentation": "tutorial", "views": 2}
    first, second = (list(train(make_training(folder, settings, **options))) for _ in range(2))
    assert embedded(first) == 12 + 2 * 12
    assert embedded(second) == 0
    assert [e.train_loss for e in epochs(first)] == [e.train_loss for e in epochs(second)]


@pytest.mark.slow
@pytest.mark.parametrize("shard", [4, 512])
def test_a_stopped_embedding_keeps_every_batch(
    shard: int, make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tl_engine.networks.embedder.SHARD", shard)
    monkeypatch.setattr("tl_engine.networks.embedder.EMBED_BATCH", 2)
    folder = make_images()
    stopped = list(train(make_training(folder, settings, stop_after=12 + 3)))
    assert ended(stopped).state == "stopped"
    assert embedded(list(train(make_training(folder, settings)))) == 12 - 3 * 2


def test_an_embedding_that_is_killed_loses_seconds_and_leaves_no_more_files(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tl_engine.networks.embedder.WRITE_EVERY", 0.0)
    monkeypatch.setattr("tl_engine.networks.embedder.EMBED_BATCH", 2)
    list(train(make_training(make_images(), settings)))
    kept = [safe_open(path, framework="pt").get_slice("features").get_shape()[0] for path in shards(settings.cache)]
    assert kept == [12, 12]  # features, and the small grey pictures


def test_a_growing_shard_is_one_file_whose_rows_are_always_there(tmp_path: Path) -> None:
    ours, rows = cache(tmp_path), {"a": torch.ones(3)}
    shard = GrowingShard(ours)
    shard.write(rows)
    for key in ("b", "c"):
        rows[key] = torch.zeros(3)
        shard.write(rows)
        shard.write(rows)
        assert len(shards(tmp_path)) == 1
        assert set(cache(tmp_path).rows(["a", "b", "c"])) == set(ours.rows(["a", "b", "c"])) == set(rows)
