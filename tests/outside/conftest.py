from tests.bench.conftest import study_file

__all__ = ["study_file"]
