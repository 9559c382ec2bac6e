"""Processes that start this same interpreter again."""

import concurrent.futures
import multiprocessing
import subprocess
import sys


def double(number):
    return number * 2, sys.executable, __name__


def main():
    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            for doubled, executable, _ in pool.map(double, [1, 2, 3]):
                assert doubled in (2, 4, 6) and executable == sys.executable, method
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert [n for n, *_ in pool.map(double, range(3))] == [0, 2, 4], method
        queue = context.Queue()
        process = context.Process(target=queue.put, args=("hello",))
        process.start()
        assert queue.get(timeout=20) == "hello"
        process.join()
        assert process.exitcode == 0, method
    said = subprocess.run([sys.executable, "-c", "import sys; print(sys.argv)", "a", "-b"],
                          capture_output=True, text=True, check=True).stdout
    assert said == "['-c', 'a', '-b']\n", said
    said = subprocess.run([sys.executable, "-m", "json.tool"], input="[1]",
                          capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[", "1", "]"], said


if __name__ == "__main__":
    main()
