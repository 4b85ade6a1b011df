"""One row of the table."""


class Result:
    """`of` names the figure that the goal is about, its most or its least; values: {contender: {figure: number}}."""

    def __init__(self, key, title, of, unit, goal, least=False):
        self.key, self.title, self.of, self.unit, self.goal, self.least = key, title, of, unit, goal, least
        self.values, self.failed = {}, {}

    def met(self, value):
        return value >= self.goal if self.least else value <= self.goal

    def aim(self):
        return "%s %g %s" % ("≥" if self.least else "≤", self.goal, self.unit)
