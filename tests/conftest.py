"""Four virtual devices, quick compiles, a private cache; --slow and --fast choose the tests."""

import collections
import os
import signal

from tests import environment, scheduling

# Before JAX is imported anywhere.
os.environ.update(environment.of_tests())

import jax
import pytest

# A shell starts what runs in the background with SIGINT ignored, and some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--fast", action="store_true", help="leave out the tests marked long")
    parser.addoption(
        "--notebooks", action="store_true", help="also run the notebooks of docs/, but slow ones"
    )


def pytest_xdist_auto_num_workers(config):
    """One more than there are cores, since some tests wait for processes that they have started."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else os.cpu_count()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--fast"):  # deselected, not skipped: the summary stays short
        left_out = [item for item in items if {"long", "slow"} & set(item.keywords)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        items.sort(key=_longest_first(items))
        return
    options = ["slow"] if config.getoption("--notebooks") else ["slow", "notebooks"]
    if config.getoption("--slow"):
        options = []
    for item in items:
        for option in options:
            if option in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{option}; run with --{option}"))
    items.sort(key=_longest_first(items))


def _longest_first(items):
    """Make the key that sorts tests by their part: no worker is to begin a long part last."""
    seconds = collections.Counter()
    for item in items:
        if "skip" not in item.keywords:
            kinds = item.keywords
            cost = 999 if "notebooks" in kinds else 20 if {"long", "slow"} & set(kinds) else 1
            seconds[scheduling.part(item.nodeid)] += cost
    return lambda item: -seconds[scheduling.part(item.nodeid)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker one part of the tests after the other, in the order of collection."""
    return scheduling.ByPart(config, log)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Share a cache, also of compiled code, among the processes of this run; leave the user's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose folders are beside each other
        folder = folder.parent
    os.environ["GAN_JAX_CACHE"] = str(folder / "cache")
    # As process.prepare_jax does, for tests that run no command.
    jax.config.update("jax_compilation_cache_dir", str(folder / "cache" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="session", autouse=True)
def classifiers():
    """Train the classifiers of scores for a quarter of the updates."""
    from gan_jax.metrics.features import classifier, classifier_training

    short = classifier_training.Settings(steps=classifier_training.Settings().steps // 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "default_settings", lambda dataset: short)
        yield


@pytest.fixture
def float64():
    """Let arrays have 64 bits."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def child_env():
    """Environment for commands that a test starts: one device, quick compiles."""
    return environment.of_commands()


@pytest.fixture
def user_env():
    """Environment for commands that a test starts: one device, compiled as users run them."""
    return environment.of_users()
