"""The cases of test_advice: refused commands, and the refusals without a case, with reasons."""

TINY = (
    "--data=galaxies:20 --size=8 --width=2 --z_dim=3 --batch=4 --steps=2 --devices=1 --dry_run "
    "--workdir={new}"
)


class Case:
    """A command that is refused.

    Attributes:
      path: module that refuses it.
      words: a part of the refusal in the source.
      command: the command line. {NAME} is a path of the fixture `files`.
      places: {flag: value} for what the message leaves to the user.
      env: environment variables.
      missing: a package that is not installed.
      rewrite: (name in `files`, text) that the user changes before typing again.
    """

    def __init__(self, path, words, command, *, env=None, missing="", rewrite=None, **places):
        self.path, self.words, self.command, self.places = path, words, command, places
        self.env, self.missing, self.rewrite = env or {}, missing, rewrite

    def __repr__(self):
        return f"{self.path}: {self.words}"


def train(path, words, command, **places):
    """A case of a training command, whose other flags are TINY."""
    name, *flags = command.split(" ", 1)
    return Case(path, words, " ".join(["train", name, TINY, *flags]), **places)


def evaluate(path, words, flags, **places):
    return Case(path, words, f"evaluate {{gan}} --n_images=200 --repeats=1 {flags}", **places)


def study(path, words, command, **places):
    name, *flags = command.split(" ", 1)
    base = f"{name} --flagfile={name}_smoke --devices=1 --dry_run --workdir={{new}}"
    return Case(path, words, " ".join([base, *flags]), **places)


def submit(words, flags, path="commands/cluster_script.py", **places):
    """A case of `cluster submit`, which prints the script and submits nothing."""
    start = "cluster submit morpho --flagfile=morpho_smoke --workdir={new} --dry_run"
    return Case(path, words, f"{start} {flags}", **places)


CASES = [
    submit("is not a time", "--time=8h"),
    submit("would save {} s before", "--time=3", time="60", warning="20"),
    submit("leave --tasks_per_node out", "--gpus_per_node=4 --tasks_per_node=2"),
    submit("--mounts is for a container", "--mounts=/data", container="image.sif"),
    submit("is not an option", "--sbatch=exclusive"),
    submit("does not go with cluster submit", "--distributed=off", "commands/cluster.py"),
    submit(
        "which share each minibatch", "--batch=6 --nodes=2 --tasks_per_node=2", "core/parallel.py"
    ),
    submit("train on all of their", "--nodes=2 --devices=1", "core/parallel.py"),
    # The command line and settings.
    train("commands/command_line.py", "have the form", "dcgan stray"),
    train("commands/command_line.py", "have the form", "dcgan {small}"),
    train(
        "commands/command_line.py", "lacks its value", "dcgan --flagfile", flagfile="dcgan_smoke"
    ),
    train("commands/command_line.py", "gan_jax has none of that name", "dcgan --flagfile=nowhere"),
    train("commands/command_line.py", "--help`", "dcgan --betch=3"),
    Case("commands/train.py", "--help`", "augment --fractions"),
    study("commands/train.py", "is not a training command", "augment --experiment=vae"),
    Case("commands/flagfile_list.py", "is not a command", "flagfiles vae"),
    train("settings.py", "is not known; use one of", "dcgan --penalty=l3"),
    train("settings.py", "is not a finite number", "dcgan --lambda_p=nan"),
    train("settings.py", "or more", "dcgan --batch=1"),
    train("settings.py", "use a value above", "dcgan --lr=0"),
    train("settings.py", "or less", "dcgan --size=2000 --data=npz:{five}"),
    train("plugins.py", "is Python code from outside", "dcgan --flagfile={foreign}"),
    # The configuration of a run.
    train("core/parallel.py", "but this machine has", "dcgan --devices=9"),
    train("core/parallel.py", "devices; use {}, or", "dcgan --batch=6 --devices=4"),
    train("core/parallel.py", "devices; use {}, or", "mgan --gen_batch=3 --devices=2"),
    train("config.py", "needs the watch", "dcgan --stop_on_collapse --nowatch"),
    train("config.py", "is no score to go by", "dcgan --data=npz:{labelled} --keep_best=beauty"),
    train(
        "config.py",
        "is not among what is scored",
        "dcgan --data=npz:{labelled} --keep_best=coverage --eval_every=1",
    ),
    train(
        "config.py",
        "needs scores during training",
        "dcgan --data=npz:{labelled} --keep_best=frechet",
    ),
    train(
        "config.py",
        "is a score of images",
        "gan --data=toys:plus --net=mlp --pixels=linear --keep_best=frechet --eval_every=2",
    ),
    train(
        "config.py",
        "needs class labels",
        "dcgan --data=npz:{plain} --keep_best=inception --eval_every=1 "
        "--eval_scores=inception,frechet",
    ),
    train(
        "metrics/scoring.py",
        "images, too few for the score",
        "dcgan --data=npz:{five} --eval_every=1",
    ),
    train(
        "metrics/__init__.py",
        "is no metric",
        "dcgan --data=npz:{labelled} --eval_every=1 --eval_scores=beauty",
    ),
    # The weights that a run begins with.
    train(
        "rundir/start_weights.py",
        "is neither a run folder",
        "dcgan --init_from=nowhere",
        init_from="{gan}",
    ),
    train("rundir/start_weights.py", "no layer of that run", "dcgan --init_from={gan} --width=8"),
    train(
        "rundir/start_weights.py",
        "is the folder of this run itself",
        "dcgan --init_from={gan} --workdir={gan} --restart",
        workdir="{new}",
    ),
    train(
        "config.py", "keeps the weights of another run", "dcgan --freeze_disc=1", init_from="{gan}"
    ),
    train(
        "methods/freeze.py",
        "layers in front of its heads",
        "dcgan --init_from={gan} --freeze_disc=9",
    ),
    train(
        "rundir/start_weights.py",
        "of D would be new",
        "dcgan --init_from={published} --freeze_disc=1",
    ),
    study("studies/runner.py", "all begin anew", "ensemble --init_from={gan}"),
    # Methods and nets.
    train("core/diffaugment.py", "use any of", "dcgan --augment=blur"),
    train("core/diffaugment.py", "is no share", "dcgan --augment=flip:2"),
    train("core/augment_strength.py", "which is empty", "dcgan --augment_p=0.5"),
    train("core/augment_strength.py", "changes no image", "dcgan --augment=flip --augment_p=0"),
    train(
        "core/augment_strength.py",
        "and so does",
        "dcgan --augment=ada --augment_target=0.6 --augment_p_end=0.5 --warmup_images=9",
    ),
    train(
        "core/augment_strength.py",
        "which is 0",
        "dcgan --augment=ada --augment_target=0.6 --augment_p=0",
    ),
    train(
        "core/augment_strength.py",
        "which have no zero",
        "dcgan --augment=ada --augment_target=0.6 --loss=rp",
    ),
    train("methods/acgan.py", "is of --class_loss=ce", "acgan --class_loss=adc --fake_class=none"),
    train("methods/acgan.py", "shows D the class", "acgan --net=maxout_cgan"),
    train(
        "methods/conditions.py",
        "needs classes, and the data have none",
        "cgan --data=npz:{plain}",
        data="npz:{labelled}",
    ),
    train(
        "methods/base.py", "is for dcgan and its relatives", "dcgan --net=sngan --upsample=nearest"
    ),
    train(
        "methods/conditions.py",
        "needs real numbers of each image",
        "dcgan --data=npz:{labelled} --condition=quantities",
        labels="{values}:z",
    ),
    train("methods/conditions.py", "is for --condition=quantities", "dcgan --vicinity=1"),
    train(
        "methods/conditions.py", "needs classes named by attributes", "cgan --condition=attributes"
    ),
    train(
        "methods/conditions.py",
        "needs a generator with BatchNorm",
        "cgan --cond_gen=batchnorm --gen_norm=none",
    ),
    train(
        "methods/conditions.py",
        "needs a generator with BatchNorm",
        "cgan --cond_gen=batchnorm --net=r3gan",
    ),
    train("methods/conditions.py", "read a condition by themselves", "cgan --cond_gen=own"),
    train("methods/conditions.py", "read a condition by themselves", "cgan --cond_disc=own"),
    train("methods/base.py", "divide by their norm", "dcgan --net=r3gan --spectral=disc"),
    train(
        "methods/base.py",
        "and the data are points; use --net=mlp",
        "dcgan --data=toys:plus --pixels=linear",
    ),
    train(
        "methods/base.py",
        "leave it empty",
        "gan --net=mlp --data=toys:plus --pixels=linear --augment=color",
    ),
    train("methods/base.py", "is for points", "dcgan --pixels=linear"),
    train("methods/base.py", "reads a condition", "dcgan --net=maxout_cgan"),
    train("methods/base.py", "needs a penalty", "dcgan --penalty_every=2"),
    train("methods/base.py", "1-D toy", "dcgan --penalty=r1 --penalty_norm=batch"),
    train("methods/base.py", "needs a Lipschitz D", "dcgan --loss=wasserstein"),
    train("methods/base.py", "multiple of {}; use --batch", "dcgan --pack=3"),
    train("methods/base.py", "shows D several images at once, and here each", "cgan --pack=2"),
    train("methods/base.py", "and here it {}", "infogan --pack=2"),
    train(
        "methods/base.py",
        "--consistency flips and moves",
        "gan --net=mlp --data=toys:plus --pixels=linear --consistency=1",
    ),
    train("methods/colorize.py", "judges patches", "colorize --consistency=1"),
    train("methods/base.py", "needs the images over which", "dcgan --lr_end=1e-5"),
    train(
        "methods/base.py",
        "moves the learning rate by images",
        "dcgan --lr_end=1e-5 --warmup_images=9 --schedule=linear",
    ),
    train(
        "methods/base.py",
        "--beta2_end is for Adam",
        "dcgan --beta2_end=0.9 --warmup_images=9 --optimizer=sgd",
    ),
    train(
        "methods/base.py",
        "needs a penalty; add --penalty=r1",
        "dcgan --lambda_p_end=0.1 --warmup_images=9",
    ),
    train(
        "methods/base.py", "needs a penalty and --augment", "dcgan --penalty_augmented --penalty=r1"
    ),
    train("methods/base.py", "float32 rounds so slow", "dcgan --ema_images=1000000"),
    train("methods/base.py", "needs a Lipschitz D", "mgan --loss=wasserstein"),
    train(
        "methods/colorize.py",
        "needs colour images",
        "colorize --data=npz:{gray}",
        data="npz:{labelled}",
    ),
    train("methods/colorize.py", "from its gray version", "colorize --augment=color"),
    train("methods/colorize.py", "would part the image", "colorize --gen_symmetry=flip"),
    train(
        "methods/distgan.py", "nets of their own", "distgan --simultaneous --recon_trains=enc_gen"
    ),
    train(
        "methods/distgan.py", "is for values in [0, 1]", "distgan --recon_space=bce --pixels=tanh"
    ),
    train(
        "methods/distgan.py", "may leave", "distgan --recon_space=bce --pixels=sigmoid --net=r3gan"
    ),
    train("methods/mgan.py", "no mixture", "mgan --net=sngan"),
    train("methods/mgan.py", "pairs every real image", "mgan --loss=rp"),
    train("methods/mgan.py", "pairs real with generated", "mgan --penalty=wgan_gp"),
    train("nets/distgan_mnist.py", "nets are for 28", "distgan --net=distgan_mnist"),
    train("nets/resnet.py", "times a power of two", "dcgan --net=sngan --size=9"),
    train(
        "nets/resnet.py", "times a power of two", "dcgan --net=sngan --size=1020 --data=npz:{five}"
    ),
    train("nets/s1.py", "is not a multiple of 4", "acgan --net=s1 --size=9"),
    train("nets/s1.py", "is not a multiple of 4", "acgan --net=s1 --size=9x17"),
    train("nets/resnet.py", "times a power of two", "dcgan --net=sngan --size=9x17"),
    train("methods/base.py", "rotation turns", "dcgan --augment=rotation --size=9x17"),
    train("methods/base.py", "turn turns", "dcgan --gen_symmetry=turn --size=9x17"),
    train(
        "methods/base.py",
        "moves images, and",
        "dcgan --data=toys:plus --net=mlp --pixels=linear --gen_symmetry=flip",
    ),
    train("methods/base.py", "signs of the noise", "dcgan --gen_symmetry=turn --z_dim=3"),
    train("images.py", "names none of the channels", "dcgan --show=7 --data=npz:{labelled}"),
    # Data.
    train(
        "data/datasets.py",
        "names no known source",
        "dcgan --data=folder_of_mine",
        data="npz:{plain}",
    ),
    train(
        "data/datasets.py",
        "says nothing after the name",
        "dcgan --data=folder",
        data="folder:{small}",
    ),
    train(
        "data/table_labels.py",
        "cannot be read; write",
        "dcgan --data=npz:{labelled} --labels={values}",
        labels="{values}:z",
    ),
    train(
        "data/table_labels.py",
        "there is no file",
        "dcgan --data=npz:{labelled} --labels={root}/gone.csv:z",
        labels="{values}:z",
    ),
    train(
        "data/table_labels.py",
        "too many for classes",
        "dcgan --data=npz:{labelled} --labels={values}:m",
        labels="{values}:m>5",
    ),
    train(
        "data/galaxies5.py",
        "galaxies5 has the quantities",
        "dcgan --data=galaxies5:20 --labels=mass",
        labels="ellipticity",
    ),
    train("data/datasets.py", "means nothing to", "dcgan --data=npz:{labelled} --labels=colour"),
    train("data/galaxies.py", "is not a number of images", "dcgan --data=galaxies:many"),
    train("data/galaxies.py", "does nothing for {}", "dcgan --crop=9"),
    train("data/toys.py", "names no toy", "gan --data=toys:nothing --net=mlp --pixels=linear"),
    train(
        "data/toys.py",
        "means nothing to points",
        "gan --data=toys:plus --net=mlp --pixels=linear --crop=9",
    ),
    train(
        "data/colors.py",
        "means nothing to points",
        "gan --data=toys:plus --net=mlp --pixels=linear --colors=gray",
    ),
    train("data/stretches.py", "is not known; use one of", "dcgan --stretch=arcsinh"),
    train("data/image_checks.py", "too small for", "dcgan --data=folder:{small} --size=16"),
    train(
        "data/image_checks.py", "too small for", "dcgan --data=folder:{small} --size=12 --crop=14"
    ),
    train("data/image_checks.py", "leaves such files out", "dcgan --data=folder:{tiny}"),
    train("data/image_checks.py", "leaves such files out", "dcgan --data=folder:{bad}"),
    train(
        "data/image_checks.py",
        "fewer than --size",
        "dcgan --data=folder:{small} --size=16 --crop=10",
    ),
    train("data/image_checks.py", "fewer than --size", "dcgan --data=folder:{small} --crop=5"),
    train("data/image_checks.py", "in colour", "dcgan --data=folder:{mixed}"),
    train(
        "data/image_checks.py", "too small for", "dcgan --data=folder:{small} --size=8 --patches=12"
    ),
    train(
        "data/image_checks.py",
        "are smaller than --size",
        "dcgan --data=folder:{small} --size=10 --patches=8",
    ),
    train(
        "data/image_checks.py",
        "fewer than --patches",
        "dcgan --data=folder:{small} --size=8 --crop=9 --patches=10",
    ),
    train("data/datasets.py", "cuts image files", "dcgan --data=npz:{plain} --patches=12"),
    train("data/resize.py", "smaller than --crop", "dcgan --data=npz:{plain} --crop=20"),
    train("data/resize.py", "must be square", "dcgan --data=npz:{wide}"),
    train(
        "data/image_files.py",
        "is not a folder that can be read",
        "dcgan --data=folder:{root}/no",
        data="folder:{small}",
    ),
    train("data/image_files.py", "is a file, not a folder", "dcgan --data=folder:{plain}"),
    train("data/npz.py", "for the images alone", "dcgan --data=npz:{halves}"),
    train("data/npz.py", "is a folder; use", "dcgan --data=npz:{small}"),
    train("data/idx.py", "is not a folder", "dcgan --data=idx:{root}/no", data="npz:{plain}"),
    train(
        "data/thinned.py",
        "cannot be read; write it as",
        "dcgan --data=thin:spiral:galaxies",
        data="thin:spiral/2/0:galaxies:40",
    ),
    train(
        "data/thinned.py",
        "leaves no image of a class",
        "dcgan --data=thin:spiral/0/0:galaxies:40",
        data="thin:spiral/2/0:galaxies:40",
    ),
    train("data/thinned.py", "has no class {}", "dcgan --data=thin:comet/2/0:galaxies:40"),
    train("data/thinned.py", "images of class", "dcgan --data=thin:0/900/0:galaxies:40"),
    train(
        "data/shards.py",
        "cannot be read; write it as",
        "dcgan --data=shard:x/y:galaxies",
        data="shard:1/2/0:galaxies:20",
    ),
    train(
        "data/stacked.py",
        "which have no channels to stack",
        "dcgan --data=stacked:toys:gaussians8",
        data="stacked:galaxies:20",
    ),
    train(
        "data/stacked.py",
        "where stacks need",
        "dcgan --data=stacked:npz:{plain}",
        data="stacked:galaxies:20",
    ),
    # Run folders.
    train("rundir/run_folder.py", "is a file", "dcgan --workdir={file}", workdir="{root}/other"),
    train(
        "rundir/run_folder.py",
        "is a published folder",
        "dcgan --workdir={published}",
        workdir="{root}/other",
    ),
    train(
        "rundir/run_folder.py",
        "but no config.json",
        "dcgan --workdir={leftover}",
        workdir="{root}/other",
    ),
    train(
        "rundir/run_folder.py",
        "was made with",
        "dcgan --workdir={gan} --lr=0.5",
        workdir="{root}/other",
    ),
    train(
        "rundir/run_folder.py", "was made with", "morpho --workdir={gan}", workdir="{root}/other"
    ),
    train(
        "rundir/run_folder.py",
        "was made with",
        "dcgan --workdir={gan} --data=galaxies:20 --steps=8",
        workdir="{root}/other",
        data="galaxies:300",
    ),
    train(
        "rundir/run_lock.py",
        "cannot be used",
        "dcgan --workdir={file}/run --nodry_run",
        workdir="{root}/other",
    ),
    Case("rundir/run_folder.py", "--workdir is missing", "sample", workdir="{gan}"),
    Case("rundir/config_file.py", "is not a run folder", "sample {root}/nowhere", workdir="{gan}"),
    Case("rundir/config_file.py", "and is none itself", "sample {root}"),
    Case("rundir/checkpoint.py", "is not in", "sample {gan} --checkpoint=77"),
    Case("rundir/checkpoint.py", "is not in {}{}; use one of", "sample {gan} --checkpoint=best"),
    Case(
        "rundir/run_folder.py",
        "a published folder, which holds",
        "sample {published} --checkpoint=77",
    ),
    Case("rundir/run_folder.py", "asks for the last weights", "sample {published} --noema"),
    evaluate(
        "rundir/run_folder.py", "has another content", "--data=npz:{plain}", data="galaxies:300"
    ),
    evaluate(
        "rundir/run_folder.py", "have moved", "--data=npz:{root}/gone.npz", data="galaxies:300"
    ),
    # Other commands.
    evaluate(
        "commands/evaluate.py",
        "is for runs",
        "--images={small} --out={new} --data=npz:{plain} --size=8 --scores=kernel --neighbours=0",
        workdir="{new}",
    ),
    evaluate(
        "commands/evaluate.py",
        "is the folder of a run; use another",
        "--images={small} --data=npz:{plain} --size=8 --scores=kernel --neighbours=0",
        workdir="{new}",
    ),
    evaluate("commands/evaluate.py", "is the folder of another run", "--out={kinds}", out="{new}"),
    evaluate("commands/evaluate.py", "cannot be written to", "--out={file}/a", out="{new}"),
    evaluate("commands/evaluate.py", "a run knows its own", "--crop=4"),
    Case(
        "commands/evaluate.py",
        "are no run's",
        "evaluate --images={small} --data=npz:{plain} --size=8 --scores=kernel --neighbours=0 "
        "--workdir={new} --checkpoint=best",
    ),
    Case(
        "commands/evaluate.py",
        "name them with --data",
        "evaluate --images={small} --size=8 --scores=kernel --neighbours=0 --workdir={new}",
        data="npz:{plain}",
    ),
    evaluate("metrics/memorization.py", "is too few to tell copies", "--neighbours=3"),
    evaluate("metrics/scoring.py", "is too few for the score", "--n_images=50"),
    evaluate("metrics/__init__.py", "is no metric", "--scores=beauty"),
    evaluate("metrics/scoring.py", "needs a classifier", "--scores=classes --features=random"),
    evaluate("metrics/scoring.py", "is of images with floats", "--scores=photometry"),
    evaluate("metrics/features/__init__.py", "names no known feature space", "--features=vgg"),
    evaluate("metrics/features/__init__.py", "after the name; write", "--features=random:3"),
    evaluate(
        "metrics/features/python_function.py",
        "must name a module",
        "--features=python:a",
        features="random",
    ),
    Case(
        "metrics/features/classifier.py",
        "needs two classes",
        "evaluate --images={small} --data=npz:{plain} --size=8 --scores=kernel --neighbours=0 "
        "--workdir={new} --features=classifier",
    ),
    Case(
        "metrics/scoring.py",
        "is too few for the score",
        "evaluate --images={small} --data=npz:{five} --size=8 --neighbours=0 --workdir={new}",
    ),
    Case(
        "metrics/scoring.py",
        "images, too few for the score",
        "evaluate --images=npz:{plain} --data=npz:{five} --size=8 --neighbours=0 --workdir={new}",
    ),
    Case("commands/sample.py", "says nothing here", "sample {gan} --form=paths --kind=1"),
    Case("commands/sample.py", "this run makes points", "sample {points}"),
    Case("commands/kinds.py", "are of no kind", "sample {gan} --form=kinds"),
    Case("commands/kinds.py", "is none of this run's", "sample {kinds} --kind=9"),
    Case("commands/kinds.py", "give numbers, such as", "sample {valued} --kind=large"),
    Case(
        "commands/export.py",
        "given; use one of",
        "export",
        workdir="{gan}",
        classifier="npz:{labelled}",
    ),
    Case(
        "commands/export.py",
        "--step is of a run",
        "export --classifier=npz:{labelled} --size=16 --step",
    ),
    Case("commands/export.py", "is not known; use", "export --page --systems=vae --runtime={root}"),
    Case("commands/export.py", "--systems is empty", "export --page --systems= --runtime={root}"),
    Case(
        "commands/studio.py",
        "can be reached by others",
        "studio --host=0.0.0.0 --root={root}",
        token="abc",
    ),
    Case(
        "commands/publish.py",
        "is not an identifier",
        "publish {gan} --license=MIT*license --out={new}",
    ),
    # Studies.
    study("studies/augment/command.py", "not for this study", "augment --eval_every=5"),
    study(
        "studies/augment/command.py",
        "makes images of no class",
        "augment --experiment=gan --condition=none",
    ),
    study("studies/augment/flags.py", "is above every ratio", "augment --both_ratio=3"),
    study("studies/augment/flags.py", "--fractions is empty", "augment --fractions="),
    study("studies/augment/flags.py", "not one over a whole number", "augment --fractions=0.3"),
    study("studies/augment/flags.py", "cannot be read; use numbers", "augment --ratios=-1"),
    study(
        "studies/augment/flags.py", "cannot be read; use mean", "augment --rare=cigar --rare_to=few"
    ),
    study("studies/augment/command.py", "is no class of these data", "augment --rare=comet"),
    study("data/classifier_augment.py", "use any of", "augment --ordinary=flip"),
    study(
        "studies/collapse/command.py", "is not among --systems", "collapse --systems=morpho,mgan"
    ),
    study("studies/collapse/command.py", "is not for {}; use", "collapse --systems=gan,one_gen"),
    study("studies/collapse/command.py", "which takes its own scores", "collapse --eval_every=5"),
    study("studies/collapse/command.py", "must be positive numbers", "collapse --disc_sizes=0"),
    study(
        "studies/collapse/scorer.py",
        "no modes to count; use",
        "collapse --data=npz:{plain}",
        data="npz:{labelled}",
    ),
    study("studies/few_images/command.py", "is not among --recipes", "few_images --recipes=dcgan"),
    study(
        "studies/few_images/command.py",
        "begins with a run on other images",
        "few_images --recipes=plain,finetune",
        start_data="npz:{labelled}",
    ),
    study(
        "studies/few_images/command.py",
        "are points; use images",
        "few_images --data=toys:plus",
        data="npz:{labelled}",
    ),
    study("studies/image_sets.py", "cannot be read; use numbers", "few_images --counts=many"),
    study("studies/image_sets.py", "images, and --data={} has", "few_images --counts=601"),
    study("studies/one_recipe.py", "is not for this study", "two_models --eval_every=5"),
    study(
        "studies/two_models/halves.py",
        "of which there are no halves",
        "two_models --data=toys:plus",
        data="npz:{labelled}",
        counts="60",
    ),
    study(
        "studies/curves/command.py",
        "of which there are no sets",
        "curves --data=toys:plus --net=mlp --pixels=linear",
    ),
    study("studies/two_models/halves.py", "are too small", "two_models --counts=10", counts="16"),
    study("studies/two_models/halves.py", "that no model sees", "two_models --n_images=1000"),
    study(
        "studies/one_recipe.py", "makes images of other images", "two_models --experiment=colorize"
    ),
    study("studies/runner.py", "is not known; use", "collapse --systems=gan,vae"),
    study("studies/runner.py", "is empty; use some of", "collapse --systems="),
    study(
        "studies/ensemble/command.py", "are not for this study", "ensemble --steps=5", epochs="1"
    ),
    study(
        "studies/ensemble/command.py",
        "is one process for an ensemble",
        "ensemble --members_by=vmapped --jobs=2",
    ),
    study(
        "studies/ensemble/nodes.py",
        "cannot be read; use numbers",
        "ensemble --nodes=0,2 --data=npz:{labelled}",
    ),
    Case(
        "cache.py",
        "cannot be written",
        "train dcgan " + TINY + " --data=galaxies:21",
        env={"GAN_JAX_CACHE": "{file}"},
        GAN_JAX_CACHE="{root}/cache",
    ),
    train(
        "commands/command_line.py",
        "--trust counts only where",
        "dcgan --flagfile={trusting}",
        rewrite=("trusting", "--width=2\n"),
    ),
    train(
        "commands/command_line.py",
        "{} needs {}; install it",
        "dcgan --tensorboard",
        missing="tensorboardX",
    ),
    train("commands/command_line.py", "{} needs {}; install it", "dcgan --wandb", missing="wandb"),
    Case("commands/presets.py", "is not a training command", "train vae " + TINY),
    Case("commands/export.py", "install it with", "export {gan}", missing="jax2onnx"),
    Case(
        "commands/publish.py",
        "is of a model on the hub",
        "publish {gan} --private --out={new}",
        hub="me/mine",
    ),
    Case("commands/publish.py", "is published already", "publish {published}", hub="me/mine"),
    Case(
        "rundir/hub.py", "is not a name on the hub", "publish {published} --hub=mine", hub="me/mine"
    ),
    Case("rundir/hub.py", "install it with", "sample hf:me/mine", missing="huggingface_hub"),
    Case(
        "rundir/published.py",
        "holds something else",
        "publish {gan} --out={mixed}",
        out="{root}/p1",
    ),
    Case(
        "rundir/published.py",
        "is a published folder already",
        "publish {gan} --out={published}",
        out="{root}/p2",
    ),
    Case(
        "commands/sample.py",
        "writes a folder; name another",
        "sample {gan} --form=folder --out={file}",
        out="{root}/s1",
    ),
    Case(
        "commands/sample.py",
        "no samples of a run",
        "sample {gan} --form=folder --out={mixed}",
        out="{root}/s2",
    ),
    Case("commands/sample.py", "writes a {} file", "sample {gan} --form=npz --out={root}/x.png"),
    Case("commands/sample.py", "writes a {} file", "sample {gan} --out={mixed}"),
    Case("training/sampling.py", "takes no noise", "sample {colorize} --form=paths"),
    Case("plugins.py", "which opening it would run", "sample {foreign_run}"),
    Case("rundir/checkpoint.py", "so the best is not known", "sample {damaged} --checkpoint=best"),
    Case("rundir/checkpoint.py", "which finds an intact one", "sample {damaged} --checkpoint=8"),
    train(
        "config.py",
        "points are scored by",
        "gan --data=python:own_points:load --net=mlp --pixels=linear --eval_every=1",
    ),
    train(
        "config.py",
        "--keep_best={} needs {} images",
        "dcgan --data=npz:{five} --eval_every=1 --keep_best=frechet --eval_scores=frechet,kernel",
    ),
    evaluate(
        "commands/evaluate.py",
        "convert both to one kind",
        "--images=npz:{gray} --data=npz:{plain} --size=8 --scores=kernel --neighbours=0 "
        "--workdir={new}",
    ),
    train(
        "data/galaxyzoo.py",
        "which makes the classes",
        "dcgan --data=galaxyzoo:{zoo}",
        data="folder:{zoo}/images_training_rev1",
    ),
    train(
        "data/galaxyzoo.py",
        "is unknown to galaxyzoo",
        "dcgan --data=galaxyzoo:{zoo} --labels=shape",
        data="folder:{zoo}/images_training_rev1",
    ),
    train(
        "data/celeba.py",
        "which makes the classes",
        "dcgan --data=celeba:{unnamed}",
        data="folder:{unnamed}/img_align_celeba",
    ),
    train("data/celeba.py", "fetch the files again", "dcgan --data=celeba:{celebs} --labels=Male"),
    train(
        "data/celeba_attributes.py",
        "has no attribute",
        "dcgan --data=celeba:{celebs} --labels=Hat --skip_bad_images",
    ),
    train("data/folder.py", "which reads all without classes", "dcgan --data=folder:{loose}"),
    train("data/folder.py", "add images, remove the folders", "dcgan --data=folder:{empty_class}"),
    train("data/stylegan_labels.py", "are not of StyleGAN's form", "dcgan --data=folder:{chunks}"),
    train("data/stylegan_labels.py", "whole numbers from 0 on", "dcgan --data=folder:{vague}"),
    train(
        "data/shards.py",
        "names no part of any data",
        "dcgan --data=shard:3/2/0:galaxies:20",
        data="shard:1/2/0:galaxies:20",
    ),
    study("data/writers.py", "use --noexport", "augment --data=npz:{clash}"),
    Case(
        "studies/ablate/grid.py",
        "names no flag",
        "ablate --flagfile=ablate_smoke --workdir={new} --vary=lr",
        vary="lr=0.1,0.2",
    ),
    Case(
        "studies/ablate/grid.py",
        "sets one flag twice",
        "ablate --flagfile=ablate_smoke --workdir={new} --vary=lr=1+lr=2",
        vary="lr=0.1,0.2",
    ),
    Case(
        "studies/ablate/grid.py",
        "on two axes",
        "ablate --flagfile=ablate_smoke --workdir={new} --vary=lr=1;lr=2",
        vary="lr=0.1,0.2",
    ),
    Case(
        "studies/ablate/plan.py",
        "which every run has its own way",
        "ablate --experiment=gan --workdir={new} --vary=workdir=a,b",
    ),
    study(
        "studies/augment/command.py",
        "has images without a class",
        "augment --data=npz:{plain}",
        data="npz:{labelled}",
    ),
    study(
        "studies/augment/command.py",
        "has no labelled test images",
        "augment --data=npz:{train_only}",
        data="npz:{labelled}",
    ),
    study(
        "studies/augment/command.py",
        "has no image of class",
        "augment --fractions=0.005",
        fractions="1",
    ),
    study(
        "studies/augment/command.py",
        "the test split has no image",
        "augment --data=npz:{lacking} --rare=2 --rare_to=200",
        rare="1",
    ),
    study(
        "studies/augment/flags.py",
        "so no training set has synthetic images",
        "augment --ratios=",
        ratios="1",
        rare="cigar",
    ),
    study("studies/augment/flags.py", "asks for {} images", "augment --rare=cigar --rare_to=2"),
    Case(
        "studies/collapse/command.py",
        "is for images; on points",
        "collapse --data=toys:plus --systems=gan --devices=1 --dry_run --workdir={new} --width=32",
    ),
    Case(
        "studies/damage.py",
        "labelled test images to damage",
        "damage --flagfile=damage_smoke --workdir={new} --n_images=100000",
        n_images="200",
        data="npz:{labelled}",
    ),
    study(
        "studies/ensemble/command.py",
        "nothing to vote on",
        "ensemble --data=npz:{plain}",
        data="npz:{labelled}",
    ),
    study("studies/ensemble/command.py", "too few for {} nodes", "ensemble --nodes=60"),
    study(
        "studies/ensemble/command.py",
        "no labelled test images",
        "ensemble --data=npz:{train_only}",
        data="npz:{labelled}",
    ),
    study(
        "studies/gan_vs_dcgan/command.py",
        "no balance to measure",
        "gan_vs_dcgan --data=npz:{plain}",
        data="npz:{labelled}",
    ),
]
# Refusals that speak of flags and have no case, {path: {words: why}}.
DATA = "is about the content of files or of own code: nothing to type"
NO_WAY = "names no way out"
FIRST = "other checks refuse it first; it guards direct calls"
PAGES = "answers a page of the studio, where nothing is typed"
PEERS = "is of several processes, see test_peers"
NEEDS = "needs a package, a network or data that this machine lacks"
LATE = "comes after what takes long"
INNER = "puts a flag before the words of another refusal, which has a case"
NOT_RUN = {
    "api.py": {
        "install it with: pip install pandas": "is of Python, see the test of the API",
        "is not known": "is of Python, see the test of the API",
    },
    "cache.py": {"No home folder": "has a test of its own, in tests/commands/test_exit_codes.py"},
    "commands/cluster.py": {
        "Name what to train first": "names no flag; see tests/commands/test_cluster.py",
        "end it by `{}`": NEEDS,
        "Another process is training": NEEDS,
        "that all nodes see": NEEDS,
        "SLURM refuses the job": NEEDS,
    },
    "commands/slurm.py": {
        "There is no {} on this machine": "see tests/commands/test_cluster.py",
        "does not say its number": NEEDS,
    },
    "commands/cluster_script.py": {
        "give one of them": "leaves the choice of two",
        "has no bin/python": NEEDS,
        "has more than one line": NO_WAY,
    },
    "commands/evaluate.py": {"holds points": NO_WAY},
    "commands/export.py": {
        "the page takes gray pictures": DATA,
        "in which every picture has a label": DATA,
        "cannot be made": LATE,
        "cannot be written": LATE,
        "leave out --step": LATE,
        "which a published folder lacks": LATE,
    },
    "commands/sample.py": {"cannot be written": LATE},
    "commands/studio.py": {"is sent in addresses": NO_WAY},
    "core/lecam.py": {"is for methods whose D": "is about a plug-in; see tests/core/test_lecam.py"},
    "metrics/modes.py": {"counts combinations of classes": LATE},
    "core/quantities.py": {"nets cannot learn from it": DATA},
    "data/tables.py": {"install it with": NEEDS},
    "data/scientific_cache.py": {
        "every patch has a band": "see tests/data/test_patches.py",
        "give a row for each image": "is of a file; see tests/data/test_table_labels.py",
    },
    "data/celeba_attributes.py": {"name different attributes": NO_WAY},
    "data/colors.py": {"converts images of": DATA},
    "data/datasets.py": {
        "is outside": FIRST,
        "is negative": FIRST,
        "gives {} {}": DATA,
        "has no images": DATA,
        "has no training images": DATA,
        "--data={}": INNER,
        "make them equal": DATA,
    },
    "data/folder.py": {"add them, or leave": DATA},
    "data/galaxyzoo.py": {"galaxies without an image": NEEDS},
    "data/labels.py": {
        "they must be integers": DATA,
        "give one label per image": DATA,
        "has labels from": DATA,
    },
    "data/npz.py": {"there is no such file": NO_WAY},
    "data/stacked.py": {"save it as 8-bit": DATA},
    "data/pixel_format.py": {"give a low below the high": "leaves the choice of a number"},
    "data/stretched.py": {"test images {}": DATA, "pictures of 8 bits": DATA},
    "data/plugin_source.py": {
        "it must give a tuple": DATA,
        "--debug shows where": DATA,
        "divide them": DATA,
    },
    "data/thinned.py": {"has no classes": DATA},
    "data/shards.py": {"of which there are no shards": DATA, "too few for {} shards": DATA},
    "data/tfds.py": {
        "has no image feature": NEEDS,
        "has no split called train": NEEDS,
        "could be the images": NEEDS,
        "are not 8-bit": NEEDS,
        "is no label of": NEEDS,
    },
    "data/tfds_cache.py": {"leaves such images out": NEEDS},
    "data/tfds_prepared.py": {
        "is not prepared in": NEEDS,
        "with the configs": NEEDS,
        "needs tensorflow-datasets": NEEDS,
    },
    "images.py": {"use one of": FIRST},
    "metrics/__init__.py": {
        "fails ({})": DATA,
        "it must give finite numbers": DATA,
        "--{}={}": INNER,
    },
    "metrics/features/onnx_file.py": {"needs ONNX Runtime": NEEDS},
    "metrics/features/python_function.py": {"--features={}": INNER},
    "metrics/frechet.py": {"was asked of": FIRST},
    "nets/family.py": {
        "has no encoder": "all nets of gan_jax have one where it is asked for; plug-ins may not"
    },
    "nets/resnet.py": {"is too small for": FIRST},
    "onnx_export/update_steps.py": {
        "turn by turn": LATE,
        "--penalty_every or --augment": LATE,
        "a page counts no images": LATE,
        "shows D points one by one": LATE,
        "in bfloat16": LATE,
    },
    "report/compare.py": {"were trained on different images": "advises to compare other runs"},
    "rundir/checkpoint.py": {"has no checkpoints yet": "advises to train: another command"},
    "rundir/hub.py": {"the upload failed": NEEDS, "add --download": NEEDS},
    "rundir/published.py": {"cannot be written": LATE},
    "rundir/run_folder.py": {"a plug-in that is not installed": NEEDS},
    "methods/base.py": {"has no class head of cosines": "is of plug-ins; built-in nets have one"},
    "methods/freeze.py": {"needs a net called disc": "all methods of gan_jax have one"},
    "rundir/start_weights.py": {"had saved nothing": "see tests/rundir/test_start_weights.py"},
    "settings.py": {
        "--{}={}": INNER,
        "has two sides": "is about a plug-in; see tests/nets/test_sizes.py",
    },
    "studies/collapse/scorer.py": {"with 5 % of the images": DATA},
    "studies/curves/scorer.py": {"and has no scores of step": "needs a study that lost a file"},
    "studies/image_sets.py": {"leave one of them out": "leaves the choice of two"},
    "studies/interleaved.py": {"cannot be read": LATE},
    "studies/jobs.py": {
        "lacks timeout_min": NEEDS,
        "asks for {}, but {}": NEEDS,
        "is not what submitit takes": NEEDS,
    },
    "studies/runner.py": {"The study in": LATE},
    "studio/forms.py": {
        "is longer than": PAGES,
        "is not a value of type": PAGES,
        "is not a flag of this command": PAGES,
    },
    "studio/launcher.py": {"start the studio with --trust": PAGES},
    "studio/sampling_tasks.py": {"This run has no checkpoint yet": PAGES},
    "studio/serving.py": {"cannot be listened at": LATE},
    "commands/train_plan.py": {"trains in one process": PEERS},
    "training/peer_start.py": {
        "is not HOST:PORT": PEERS,
        "needs --processes=N": PEERS,
        "need --coordinator=HOST:PORT": PEERS,
        "gives wrong sums": PEERS,
        "{} has {}={}": PEERS,
    },
    "web/runtime.py": {"install npm": NEEDS, "npm cannot fetch": NEEDS},
}
