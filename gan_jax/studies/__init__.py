"""What the papers' studies compute and show beyond a single run; the commands are in experiments.

turns, study, curves, markup: runs in turns, the settings a study keeps, what its runs logged, tables. jobs, sweep, book: a
process per run, the grid, what became of each. The others are a study's numbers, and in NAME_page its page.
"""
