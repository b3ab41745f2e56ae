"""Studies: several systems, several seeds, tables with intervals; most test a paper's claims.

A study is a file (toys, damage) or a package (ablate, augment, collapse, curves, ensemble,
few_images, gan_vs_dcgan, two_models) with flags.py, command.py (what `python -m experiments.NAME`
runs), results.py (tables and sentences) and page.py (figures and report.html). Shared by all:
runner, the steps of every study; interleaved, runs in one process; jobs, runs in many;
run_outputs, what is read from a run; one_recipe, image_sets and reference, for studies of one
recipe or of several numbers of images; table_format and vote.
"""
