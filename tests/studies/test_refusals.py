"""Studies: what they refuse before anything is made, and dry runs, which make nothing."""

import importlib.util

import numpy as np
import pytest

from gan_jax.studies.ablate import command as ablate
from gan_jax.studies.augment import command as augment
from gan_jax.studies.collapse import command as collapse
from gan_jax.studies.curves import command as curves
from gan_jax.studies.ensemble import command as ensemble
from gan_jax.studies.few_images import command as few_images
from gan_jax.studies.gan_vs_dcgan import command as gan_vs_dcgan
from gan_jax.studies.two_models import command as two_models
from tests.studies import helpers

SMOKE = {  # {study: its command}, each with a smoke flagfile
    "augment": augment,
    "collapse": collapse,
    "curves": curves,
    "ensemble": ensemble,
    "few_images": few_images,
    "gan_vs_dcgan": gan_vs_dcgan,
    "two_models": two_models,
}
STUDIES = {  # {study: (command, words that it accepts)}
    **{name: (c, [f"--flagfile={name}_smoke", "--devices=1"]) for name, c in SMOKE.items()},
    "points": (collapse, ["--devices=1"]),
    "ablate": (ablate, helpers.SWEEP),
}
# {study: {words: what the refusal says}}; {} is the folder `files`.
REFUSALS = {
    "augment": {
        "--experiment=gan": "makes images of no class",
        "--experiment=mgan": "makes images of no class",
        "--experiment=toys": "--experiment=toys is not a training command",
        "--fractions=0.3": "0.3 is not one over a whole number",
        "--fractions=0.005": "has no image of class",
        "--ratios=-1": "--ratios=-1 cannot be read",
        "--ratios=": "no training set has synthetic images",
        "--both_ratio=3": "--both_ratio=3 is above every ratio; use 1 or less",
        "--ordinary=flip": "--ordinary=flip",
        "--rare=comet": "use one of round, in-between, cigar",
        "--rare=cigar --rare_to=2": "--rare_to=2 asks for 2 images",
        "--eval_every=5": "--eval_every",
        "--data=npz:{}/plain.npz": "images without a class",
        "--data=npz:{}/some.npz": "images without a class",
        "--data=npz:{}/train.npz": "no labelled test images",
        "--data=npz:{}/lacking.npz --rare=2": "the test split has no image of it",
    },
    "curves": {
        "--counts=many": "--counts=many cannot be read",
        "--counts=501": "--data=galaxies:500 has 500",
        "--experiment=colorize": "makes images of other images",
        "--eval_every=5": "--eval_every is not for this study",
        "--scores=beauty": "beauty",
        "--data=toys:plus --net=mlp --pixels=linear": "use --counts=all",
        "--n_images=1": "--n_images=1",
    },
    "collapse": {
        "--data=npz:{}/plain.npz": "no two classes",
        "--data=npz:{}/many.npz": "no two classes with 5 % of the images each",
        "--systems=gan,vae": "'vae' is not known",
        "--systems=gan,one_gen": "one_gen is not for images",
        "--systems=morpho,mgan": "--against=gan is not among",
        "--eval_every=5": "--curve",
        "--stop_on_collapse": "--stop_on_collapse is not for this study",
        "--n_images=100 --eval_images=100 --data=galaxies:100": "too few",
        "--gen_batch=3 --devices=2": "--gen_batch=3 is not a multiple",
    },
    "points": {
        "--data=toys:swissroll": "no modes to count",
        "--data=toys:plus --systems=gan,dcgan": "dcgan is not for points",
        "--data=toys:plus --width=32": "--width is for images",
    },
    "ensemble": {
        "--nodes=0,2": "--nodes=0,2 cannot be read",
        "--nodes=two": "as in --nodes=1,3,5",
        "--node=0/3/4": "--node=0/3/4 cannot be read",
        "--node=3": "--node=0/3/1",
        "--steps=5": "use --epochs",
        "--members_by=vmapped --jobs=2": "leave out --jobs",
        "--data=npz:{}/plain.npz": "no two classes",
        "--data=npz:{}/train.npz": "no labelled test images",
        "--nodes=60": "too few for 60 nodes",
    },
    "few_images": {
        "--recipes=plain,vae": "'vae' is not known",
        "--recipes=dcgan": "--against=plain is not among --recipes=dcgan",
        "--recipes=plain,finetune": "finetune begins with a run on other images",
        "--counts=many": "--counts=many cannot be read",
        "--counts=601": "601 images, and --data=galaxies:600 has 600",
        "--counts=100,150 --data=npz:{}/few.npz": "has 60",
        "--counts=200,all --n_images=150 --data=npz:{}/train.npz": "both the 300 images",
        "--settings=nowhere": "--flagfile=dcgan_nowhere is not a file",
        "--data=galaxies:100 --counts=50": "too few for the score",
        "--data=toys:gaussians8": "are points; use images",
        "--neighbours=5": "--neighbours=5 is too small",
        "--steps=0": "--steps=0 is too small",
    },
    "gan_vs_dcgan": {
        "--data=npz:{}/plain.npz": "no images of two classes",
        "--data=toys:gaussians8": "no images of two classes",
        "--n_images=100000 --data=npz:{}/few.npz": "too few for the score",
        "--gan_batch=1": "--gan_batch=1 is too small",
        "--dcgan_net=dcgan": "use one of: s2, s2_literal, s2_prose",
        "--devices=3": "not a multiple of 3 devices",
        "--data=idx:{}/nowhere": "nowhere",
    },
    "two_models": {
        "--experiment=vae": "--experiment=vae is not a training command",
        "--experiment=colorize --net=unet": "makes images of other images",
        "--counts=many": "--counts=many cannot be read",
        "--counts=10": "halves of 10 images are too small; use 16 or more",
        "--n_images=1000": "needs 2,000 real images that no model sees",
        "--n_images=60": "too few for the score frechet",
        "--eval_every=5": "--eval_every is not for this study",
        "--stop_on_collapse": "--stop_on_collapse is not for this study",
        "--data=toys:gaussians8 --net=mlp": "of which there are no halves; use images",
        "--neighbours=5": "--neighbours=5 is too small",
    },
    "ablate": {
        "--experiment=vae": "not a training command; use one of: acgan",
        "--vary=seed=1,2": "--seeds",
        "--vary=workdir=a,b": "--vary sets --workdir",
        "--seeds=0": "1 or more",
        "--stepz=3": "stepz",
        "--vary=stepz=3 --seeds=1": "1 run planned, all refused",
        "--vary=penalty=l3,l4 --seeds=1": "--penalty=l3 is not known",
        "--slurm=timeout_min=5": "[sweep]'",
    },
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write npz files, each of which a study refuses."""
    folder = tmp_path_factory.mktemp("files")
    images, labels = np.zeros((300, 16, 16, 3), np.uint8), np.arange(300) % 3
    test = {"test_images": images, "test_labels": labels % 2}
    np.savez(folder / "plain.npz", images=images)
    np.savez(folder / "train.npz", images=images, labels=labels)
    np.savez(folder / "some.npz", images=images, labels=np.where(labels == 2, -1, labels))
    np.savez(folder / "lacking.npz", images=images, labels=labels, **test)
    np.savez(folder / "many.npz", images=images, labels=np.arange(300) % 30)
    np.savez(folder / "few.npz", images=images[:60, ..., :1], labels=labels[:60])
    return folder


@pytest.mark.parametrize(
    ("study", "words"),
    [
        pytest.param(study, words, marks=[pytest.mark.long] if study == "ablate" else [])
        for study, refusals in REFUSALS.items()
        for words in refusals
    ],
)
def test_refusals_in_one_line_and_before_anything_is_made(study, words, files, tmp_path, capsys):
    if "--slurm" in words and importlib.util.find_spec("submitit"):
        pytest.skip("submitit is installed")
    command, accepted = STUDIES[study]
    assert helpers.run(command, [*accepted, *words.format(files).split()], tmp_path / "study") == 2
    *progress, refusal = capsys.readouterr().err.splitlines()
    assert REFUSALS[study][words] in refusal and not list(tmp_path.iterdir())
    assert all(line.startswith("galaxies: rendering") for line in progress)
    assert not (study == "ablate" and progress), "a sweep reads no data"


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("augment", "1 of 4: GAN of 60 images, 12 steps; 12 classifiers"),
        ("curves", "300 images (galaxies:300): 2 models"),
        ("collapse", "gan_balance: GAN with S1's rule"),
        ("ensemble", "8 nodes"),
        ("few_images", "50 (galaxies:50), 200 (galaxies:200)"),
        ("gan_vs_dcgan", '"experiment": "dcgan"'),
        ("two_models", "40 images (galaxies:40): 2 pairs of models of 20 images each"),
    ],
)
def test_a_dry_run_says_what_would_be_made_and_writes_nothing(study, said, tmp_path, capsys):
    command, words = STUDIES[study]
    assert helpers.run(command, [*words, "--dry_run"], tmp_path / "study") == 0
    assert said in capsys.readouterr().out and not list(tmp_path.iterdir())
