"""The numbers behind a comparison, one idea per file: arrays in, arrays out, everything random from a seed.

    grid            tables of one setting as dense arrays, NaN = missing
    budget_summary  one budget, or the area under the curve, of all recipes and pairs
    bootstrap       intervals over seeds x test volumes, the same draws for all recipes
    paired          t-tests paired by seed, Holm's correction
    power           differences that the given seeds can detect, and seeds that a claim needs
    marks           who is best, and who is tied with the best
    penalty         who loses to whom
    ranks           average rank
    aggregates      interquartile mean, probability of improvement
    efficiency      how fast the score rises with annotated foreground

Axes are named by letters: M recipes, S seeds, R rounds (budgets), V test volumes, P patients, B draws.
"""
