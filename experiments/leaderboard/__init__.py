"""The numbers that README and the documentation quote: measured by one command, kept in one place.

table lists what is measured and where it is quoted; measure trains and scores, and writes a record
for each into docs/results; page builds docs/results/leaderboard.md out of the records.
"""
