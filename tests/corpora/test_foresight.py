from ncz.corpora import foresight
from ncz.formats.estimate import Estimate


def outcome(estimated, size):
    estimate = Estimate(6, "cpu", 1.25, 2.5, 0.1, 1000, estimated, "all of it")
    return foresight.Outcome("a", estimate, size, 1.0, 2.0)


def test_the_table_says_how_far_off_sizes_are():
    lines = foresight.table([outcome(110, 100), outcome(80, 100)])
    assert lines[2] == "| a | 6 | 110 | 100 | +10 % | 1.2 | 1 | 2.5 | 2 |"
    assert lines[-1] == "Sizes are off by 15.0 % on average and by 20 % at most."
    assert len(foresight.table([])) == 2


def test_what_is_estimated_is_done(tmp_path, capsys):
    path = tmp_path / "text"
    path.write_bytes(b"a word and another word\n" * 200)
    foresight.main([str(path), "--levels", "1,2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[1] for line in lines[2:4]] == ["1", "2"]
    (one, two) = foresight.outcomes(path, (1, 2))
    assert abs(one.off) < 0.3 and abs(two.off) < 0.3
    assert min(one.seconds_in, two.seconds_out) > 0
