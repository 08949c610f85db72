"""What changed between two answers: the viewer always ends up with the figures as they are, and little is sent."""

import json
import random
import threading

from fluxgym.view.patches import MOST, Desk, common


def whole(value, lists):
    """As the browser puts an answer together (chart.js)."""
    if isinstance(value, list):
        return [whole(each, lists) for each in value]
    if isinstance(value, dict):
        return lists[value["list"]] if "list" in value else {key: whole(each, lists) for key, each in value.items()}
    return value


class Viewer:
    def __init__(self, desk):
        self.desk, self.name, self.frame, self.lists, self.sent = desk, "", None, {}, 0

    def ask(self, asked, figures):
        text = json.dumps(self.desk.answer(asked, lambda: figures, self.name))
        said, self.sent = json.loads(text), len(text)
        self.name, self.frame = said["name"], said.get("frame", self.frame)
        for number, (kept, more) in said["lists"].items():
            self.lists[int(number)] = self.lists.get(int(number), [])[:kept] + more
        return whole(self.frame, self.lists)


def figures(points, note="", traces=1):
    data = [{"name": "loss", "x": list(range(points)), "y": [x / 7 for x in range(points)]} for _ in range(traces)]
    return {"loss": {"data": data, "layout": {"note": note, "range": [0, points]}}}


def test_little_is_sent_of_a_curve_that_grows():
    viewer = Viewer(Desk())
    assert viewer.ask(1, figures(5000)) == figures(5000)
    first = viewer.sent
    assert viewer.ask(2, figures(5003)) == figures(5003)
    assert viewer.sent < 400 < first
    assert viewer.ask(2, figures(5003)) == figures(5003)
    assert viewer.sent < 60


def test_whatever_changes_the_viewer_has_all_of_it():
    chance, desk = random.Random(3), Desk()
    viewers = [Viewer(desk) for _ in range(3)]
    for asked in range(200):
        made = figures(chance.choice([0, 3, 9, 40, 41, 300]), chance.choice(["", "a"]), chance.choice([1, 2, 9, 12]))
        made["loss"]["data"][0]["y"][chance.randrange(40) :] = [chance.random() for _ in range(chance.randrange(30))]
        assert chance.choice(viewers).ask(asked, made) == made


def test_who_has_an_answer_that_is_forgotten_or_of_another_server_gets_all():
    viewer, desk = Viewer(Desk()), Desk()
    viewer.ask(0, figures(100))
    viewer.desk = desk
    assert viewer.ask(0, figures(50)) == figures(50)
    for other in range(1, MOST + 2):
        Viewer(desk).ask(other, figures(20))
    assert len(desk._answers) == MOST
    assert viewer.ask(-1, figures(60)) == figures(60)
    assert viewer.sent > 600


def test_figures_are_made_once_for_all_viewers():
    desk, made = Desk(), []
    for _ in range(3):
        desk.answer("same", lambda: made.append(1) or figures(10))
    assert len(made) == 1


def test_how_much_is_common():
    assert [common(*pair) for pair in (([], []), ([1], [1, 2]), ([1, 2, 3], [1, 2, 4]), ([0], [1]))] == [0, 1, 2, 0]


def test_who_asks_the_same_at_the_same_time_gets_the_same_answer():
    desk, inside, names = Desk(), threading.Barrier(2, timeout=10), []

    def make():
        inside.wait()  # both find no answer, and make one
        return figures(10)

    askers = [threading.Thread(target=lambda: names.append(desk.answer("same", make)["name"])) for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(20)
    assert len(names) == 2
    assert len(set(names)) == 1, "so that the next refresh of both is small"
