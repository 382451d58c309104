"""The numbers behind a comparison, one idea a file: arrays in, arrays out, everything random from a seed.

    grid        frames of one setting -> dense arrays with NaN where nothing is
    bootstrap   intervals over seeds x test volumes, the same draws for all recipes
    paired      t-tests paired by seed, Holm's correction
    power       what the seeds at hand can find, and how many a claim needs
    penalty     who loses to whom
    ranks       average rank
    aggregates  interquartile mean, probability of improvement
    efficiency  how fast the score rises with annotated foreground

Axes are named by letters: M recipes, S seeds, R rounds (budgets), V test volumes, P patients, B draws.
"""
