"""The study of few images: sets, recipes, tables, sentences, and a whole study stopped."""

import dataclasses
import json
import math
import types

import numpy as np
import pytest
from scipy import stats

from gan_jax import images
from gan_jax.commands import train
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, Stopped
from gan_jax.metrics import significance
from gan_jax.rundir import config_file
from gan_jax.studies import image_sets, interleaved, table_format
from gan_jax.studies.few_images import command, page, recipes, scorer, verdicts
from gan_jax.studies.few_images import results as few_images
from gan_jax.studies.few_images.flags import Flags
from tests.studies import helpers

SMOKE = ("--flagfile=few_images_smoke", "--devices=1")


def test_recipes_are_what_a_user_types():
    flags = Flags(settings="quick", devices=1)
    for name, recipe in recipes.RECIPES.items():
        words = [*recipes.typed_words(name, "quick"), "--size=32", "--devices=1"]
        alone = train.configure(recipe.command, words)[2]
        here = recipes.build_config(name, flags, "galaxies:100", 70, 3)
        assert (here.experiment, here.method) == (recipe.command, alone.method)
        share = getattr(alone.hp, "warmup_images", 0) * 70 // alone.run.steps
        same = dataclasses.replace(alone.hp, warmup_images=share) if share else alone.hp
        assert here.hp == same, "the warm-up has its share of the run"
        assert (here.run.batch, here.run.size) == (alone.run.batch, 32)
        assert (here.run.data, here.run.steps, here.run.seed) == ("galaxies:100", 70, 3)
        assert (here.run.sample_every, here.run.eval_every) == (0, 0)
        assert here.run.log_every == min(70, alone.run.log_every)


def test_recipes_differ_in_what_they_are():
    hp = {
        name: recipes.build_config(name, Flags(devices=1), "galaxies", 9, 0).hp
        for name in recipes.RECIPES
    }
    nets = ("net", "width", "init", "pixels", "input_noise", "lr", "ema")
    for name in set(hp) - {"dcgan", "morpho", "r3gan", "r3gan_ada"}:
        assert [getattr(hp[name], key) for key in nets] == [
            getattr(hp["morpho"], key) for key in nets
        ], name
        assert (hp[name].loss, hp[name].penalty) == ("ns", "none")
    assert hp["plain"].augment == "" and "rotation" in hp["plain_augment"].augment
    assert hp["finetune"] == hp["finetune_freeze"] == hp["plain_turns"]
    assert (hp["lecam"].lecam, hp["plain"].lecam) == (0.3, 0)
    assert (hp["plain_ada"].augment_target, hp["plain_augment"].augment_target) == (0.6, 0)
    assert hp["r3gan"].loss == hp["r3gan_ada"].loss == "rp" and hp["r3gan"].warmup_images
    assert "ada_geometry" in hp["r3gan_ada"].augment and not hp["r3gan_ada"].augment_target
    begun = recipes.build_config("finetune_freeze", Flags(devices=1), "galaxies", 9, 0, "runs/x")
    assert (begun.run.init_from, begun.run.freeze_disc) == ("runs/x", 2)
    assert hp["dcgan"].net == "dcgan" and hp["morpho"].penalty == "dragan"


def test_sets_of_galaxies_are_exact_and_of_other_data_parts():
    assert image_sets.parse_counts("1000, all,100,1000") == [100, 1000, None]
    assert image_sets.spec_of("galaxies", 100, 28_790) == "galaxies:100"
    assert image_sets.spec_of("galaxies", 28_790, 28_790) == "galaxies"
    assert image_sets.spec_of("folder:gz2", 100, 1260) == "shard:1/12/0:folder:gz2"
    assert image_sets.spec_of("folder:gz2", 1000, 1260) == "folder:gz2"
    assert image_sets.spec_of("folder:gz2", None, 1260) == "folder:gz2"
    with pytest.raises(InputError, match="has 1,260; use fewer, or --counts=all"):
        image_sets.spec_of("folder:gz2", 2000, 1260)
    for text in ("", "some", "0,10", "1e3", "-5"):
        with pytest.raises(InputError, match="cannot be read; use numbers of images"):
            image_sets.parse_counts(text)


def dataset(array):
    return Dataset(array, np.arange(len(array)) % 2, ("a", "b"), "x", "y")


def test_scores_compare_with_images_that_no_run_has_seen():
    array = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    source, small, large = dataset(array), dataset(array[:10]), dataset(array[5:25][::-1])
    _, pool = image_sets.choose_pool(source, {10: small, 20: large}, 35)
    assert (pool.images == array[25:]).all() and (pool.labels == source.labels[25:]).all()
    words, pool = image_sets.choose_pool(source, {10: small, 20: large}, 36)
    assert pool is source and "some are training images" in words
    repeated = scorer.repeat_images(array[:7], 30)
    counts = [(repeated == image).all((1, 2, 3)).sum() for image in array[:7]]
    assert sum(counts) == 30 and set(counts) == {4, 5}


def test_lengths_take_the_time_of_the_baseline():
    pace = {"plain": 0.5, "slow": 1.0, "fast": 0.2, "slower": 0.9}
    assert command.lengths_of(pace, "plain", 1000) == {
        "plain": 1000,
        "slow": 500,
        "fast": 2500,
        "slower": 556,
    }
    assert command.lengths_of({"plain": 0.001, "slow": 1.0}, "plain", 10)["slow"] == 1


def row(frechet, copied=0.0, copying=False, coverage=0.5):
    scores = {
        "kernel": 0.1,
        "precision": 0.5,
        "recall": 0.4,
        "total_variation": 0.1,
        "directions": 0.05,
    }
    scores |= {"frechet": frechet, "coverage": coverage, "copied": copied, "copied_real": 0.01}
    return scores | {"copying": copying, "steps": 100, "train_s": 60.0, "passes": 32.0}


GOOD, NEAR, BAD = (5.0, 5.2, 4.9), (5.1, 5.4, 4.9), (20.0, 20.5, 19.8)


@pytest.fixture
def results():
    names = {"dcgan": "DCGAN", "plain": "plain loss", "plain_augment": "augmented", "gone": "Gone"}
    rows = {
        # A copier has the lowest distance; the augmented one is the best of the others.
        "1000": {
            "dcgan": [row(f) for f in BAD],
            "plain": [row(f, 0.3, True) for f in (1.0, 1.1, 1.2)],
            "plain_augment": [row(f) for f in GOOD],
            "gone": [],
        },
        "100": {
            "dcgan": [row(f, copying=None) for f in BAD],
            "plain": [row(f) for f in NEAR],
            "plain_augment": [row(f) for f in GOOD],
            "gone": [],
        },
    }
    controls = {
        scorer.FLOOR: row(0.2),
        scorer.COPIES: row(8.0, 1.0),
        scorer.COLLAPSED: {k: v for k, v in row(30.0).items() if k != "copied"},
    }
    return {
        "recipes": {k: {"title": v, "typed": f"gan-jax train {k}"} for k, v in names.items()},
        "against": "plain",
        "seeds": 3,
        "size": 8,
        "classes": ["a", "b"],
        "rows": rows,
        "folders": {
            n: {k: [f"{n}_{k}_0"] if r else [] for k, r in of_n.items()} for n, of_n in rows.items()
        },
        "controls": {"1000": controls, "100": controls},
        "start": "",
        "diverged": {"100_gone_0": "non-finite"},
        "protocol": "Protocol & more.",
    }


def test_tables_follow_the_numbers(results):
    few, many, differences, length, typed = map(table_format.markdown, few_images.tables(results))
    assert few.startswith("**100 images**") and many.startswith("**1,000 images**")
    mean = np.mean(GOOD)
    half = stats.t.ppf(0.975, 2) * np.std(GOOD, ddof=1) / 3**0.5
    factor = np.exp(half / mean)  # a distance is above 0
    cell = f"{mean:.2f} ({mean / factor:.2f} to {mean * factor:.2f})"
    assert f"| augmented | {cell} | 0.100 | 0.50 | 0.40 | 0.50 | 0.0 | 0.10 |" in few
    assert "Gone (0 of 3 seeds, the others diverged) | - |" in few and "| 30.0 |" in many
    assert "| copies of the training images | 8.00 |" in few and "| 100.0 |" in few
    assert "real images of one class or of few | 30.00 | 0.100 | 0.50 | 0.40 | 0.50 |  |" in few
    # Two recipes ended beside the baseline, at two counts, in two scores.
    found = significance.compare_means(BAD, NEAR, 8, (0, math.inf))
    ratio = f"{found.value:.3g} times ({found.low:.3g} to {found.high:.3g})"
    assert found.value > 2 and f"| DCGAN | {ratio} | +0.00 |" in differences
    assert "| augmented | gan-jax train plain_augment |" in typed
    assert "| augmented | 100 | 1.0 | 32.0 | 1.0 | 32.0 |" in length
    assert "| Gone | - | - | - | - | - |" in length
    no_classes = few_images.tables(results | {"classes": []})
    assert "total variation" not in no_classes[0].rows[0]


def test_standing_leaves_copiers_out_and_says_what_is_not_decided(results):
    assert verdicts.standing(results, "100") == ("plain_augment", ["plain"], ["dcgan"], [])
    assert verdicts.standing(results, "1000") == ("plain_augment", [], ["dcgan"], ["plain"])
    one_seed = {r: rows[:1] for r, rows in results["rows"]["100"].items()}
    found = verdicts.standing(results | {"rows": {"100": one_seed}}, "100")
    assert found.undecided == ["dcgan", "plain"], "nothing follows without spread"
    all_copy = {"plain": [row(1.0, 1.0, True)], "dcgan": []}
    assert verdicts.standing(results | {"rows": {"100": all_copy}}, "100").best is None


def test_verdicts_follow_the_numbers(results):
    first, *said = verdicts.verdicts(results)
    assert first == (
        "Which recipe: 100 images: augmented, or plain loss (not decided); 1,000 images: augmented."
    )
    said = "\n".join(said)
    assert "100 images: augmented has the lowest Frechet distance, 5.03 (" in said
    assert "Not decided by these seeds: plain loss." in said
    assert "Left out, for they copy: plain loss." in said
    assert "It is better than copies of the training images would be." in said
    assert "Real images have 0.20, copies of the training images 8.00" in said
    assert (
        "1,000 images, signs of copying: plain loss in 3 of 3 seeds (30.0 % of its images match "
        "one training image, of real images 1.0 %)." in said
    )
    assert "100 images, signs of copying: none. It cannot be told" in said
    assert "too much alike: DCGAN in 3 of 3 seeds." in said
    assert "1,000 images: augmented against plain loss, Frechet distance: 4.58 times" in said
    assert "one of 8 that hold together): plain loss is better" in said
    assert "100 images, Frechet distance: whether augmented differs from plain loss" in said
    assert "DCGAN 1.00, plain loss 1.00" in said and "Diverged: 100_gone_0: non-finite" in said


def test_a_recipe_without_variety_is_not_named(results):
    for of_count in results["controls"].values():
        of_count[scorer.COLLAPSED] = row(4.0)
    assert "100 images: none is better than real images without variety (nearest: augmented)" in (
        verdicts.headline(results)
    )
    empty = {n: {recipe: [] for recipe in of_n} for n, of_n in results["rows"].items()}
    results |= {"rows": empty}
    assert "100 images: none, no run ended" in verdicts.headline(results)
    assert len(few_images.tables(results)) == 4 and verdicts.verdicts(results)


def test_figures_and_page(results, tmp_path):
    tile = np.full((8, 8, 3), 99, np.uint8)
    for of_count in results["folders"].values():
        for folders in of_count.values():
            for name in folders:
                (tmp_path / name / "samples").mkdir(parents=True)
                grid = images.grid(np.stack([tile] * 64), 8)
                images.save_png(tmp_path / name / "samples" / "000100.png", grid)
    source = types.SimpleNamespace(images=np.stack([tile] * 20))
    page.save_real({100: source, 1000: source}, tmp_path)
    for name, draw in page.figures(results, tmp_path).items():
        draw(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    text = page.document(results, tmp_path)
    assert text.count("data:image/svg") == len(page.DRAWN)
    assert text.count("data:image/png") == 2 * 4, "real images and three recipes, for each count"
    assert "Protocol &amp; more." in text and "http" not in text


def test_the_smallest_search_of_copies_finds_them():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (60, 8, 8, 3), np.uint8)
    extractor = types.SimpleNamespace(
        apply=lambda x: (np.asarray(x, np.float32).reshape(len(x), -1)[:, ::8], None), name="some"
    )
    judge = scorer.Scorer(types.SimpleNamespace(extractor=extractor), {}, None, 40, 32)
    copies = judge.search_copies(dataset(array), scorer.repeat_images(array, 40))
    assert copies["copied"] == 1 and copies["copying"] and copies["copied_real"] == 0
    others = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
    assert judge.search_copies(dataset(array), others)["copied"] == 0


def test_a_study_with_other_settings_is_refused(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise Stopped("here")

    monkeypatch.setattr(interleaved, "measure_pace", lambda runs, *_: dict.fromkeys(runs, 1.0))
    monkeypatch.setattr(interleaved, "train_interleaved", stop)
    folder = tmp_path / "study"
    assert helpers.run(command, SMOKE, folder) == 4
    more = ["--seeds=5", "--seed=2", "--turns=9", "--n_images=250", "--neighbours=32"]
    assert helpers.run(command, [*SMOKE, *more], folder) == 4, "more seeds are the same study"
    changes = {
        "--steps=13": "--steps=12, now 13",
        "--counts=50": "--counts=50,200, now 50;",
        "--recipes=plain": "--recipes=dcgan,plain,plain_augment, now plain;",
        "--against=dcgan": "--against=plain, now dcgan",
    }
    helpers.assert_other_settings_refused(command, SMOKE, folder, changes, capsys)


def test_images_to_begin_with_are_opened_by_a_dry_run(tmp_path, capsys):
    words = [*SMOKE, "--recipes=plain,finetune", "--against=plain", "--dry_run"]
    gone = f"--start_data=folder:{tmp_path / 'gone'}"
    assert helpers.run(command, [*words, gone], tmp_path / "study") == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err


@pytest.mark.long
def test_a_short_study(tmp_path, capsys):
    """One recipe, images without classes; a second call finds all done."""
    array = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "plain.npz", images=array)
    words = [*SMOKE, f"--data=npz:{tmp_path}/plain.npz", "--recipes=plain", "--counts=60"]
    words += ["--seeds=1", "--steps=4", "--n_images=130"]
    folder = tmp_path / "study"
    assert helpers.run(command, words, folder) == 0
    helpers.assert_files(folder, "pace.json", "scores.png", "samples.png", "real_60.png")
    first = (folder / "results.json").read_text()
    made = json.loads(first)
    ((one,),) = made["rows"]["60"].values()
    assert one["steps"] == 4 and one["passes"] == pytest.approx(4 * 8 / 60)
    controls = made["controls"]["60"]
    assert controls[scorer.COPIES]["copied"] == 1.0 and controls[scorer.FLOOR]["copied"] < 0.1
    assert controls[scorer.FLOOR]["frechet"] < controls[scorer.COLLAPSED]["frechet"]
    assert made["classes"] == [] and "none of which is a training image" in made["protocol"]
    assert "Which recipe: 60 images:" in capsys.readouterr().out
    assert helpers.run(command, words, folder) == 0
    assert (folder / "results.json").read_text() == first


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_as_if_it_never_stopped(tmp_path, capsys, monkeypatch):
    """With a pace made up, and a fine-tuned recipe, whose start is stopped, too."""
    rng = np.random.default_rng(0)
    array, labels = rng.integers(0, 256, (300, 16, 16, 3), np.uint8), np.arange(300) % 2
    path = tmp_path / "real.npz"
    np.savez(path, images=array, labels=labels)
    words = [*SMOKE, f"--data=npz:{path}", "--recipes=plain,finetune_freeze", "--counts=70,all"]
    words += ["--seeds=1", "--start_data=galaxies:64", "--start_steps=8", "--n_images=150"]
    pace = {"plain": 0.5, "finetune_freeze": 1.0}
    monkeypatch.setattr(interleaved, "measure_pace", lambda *_: pace)
    assert helpers.run(command, words, tmp_path / "whole") == 0
    stopped = tmp_path / "stopped"
    helpers.stop_by_signal(command, words, stopped, lambda loop, _: loop.name == "start: ")
    within = lambda loop, until: loop.name.startswith("75_finetune") and until > 2
    helpers.stop_by_signal(command, words, stopped, within)
    assert helpers.run(command, words, stopped) == 0
    results, states = helpers.outcome(tmp_path / "whole", "train_s", "start")
    assert (results, states) == helpers.outcome(stopped, "train_s", "start")
    assert len(states) == 5 and set(results["rows"]) == {"75", "300"}
    begun = config_file.read(stopped / "75_finetune_freeze_0")["init_from"]
    assert begun["step"] == 8 and begun["run"] == str(stopped / "start")
    assert [r["steps"] for r in results["rows"]["75"]["finetune_freeze"]] == [6]
    assert "resumed at step" in capsys.readouterr().out
