"""One question each; ``answers`` of a file yields what was measured."""
