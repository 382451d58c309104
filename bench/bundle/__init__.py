"""Result bundles: a study in one small file that others can check. See README.md in this folder."""
