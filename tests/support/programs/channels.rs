//! one_line, both_ways, pipeline.

use ipc_grade::trace::{ObjectId, ObjectKind, Trace};

use super::super::{Process, Run};
use super::Verdict::{Missing, Surplus, WrongData};
use super::{BLOB, Program, Verdict, blob, rev4k};

pub fn programs() -> Vec<Program> {
    let one = |name, verdict, run| Program { exercise: "one_line", name, verdict, run };
    let both = |name, verdict, run| Program { exercise: "both_ways", name, verdict, run };
    let pipe = |name, verdict, run| Program { exercise: "pipeline", name, verdict, run };
    vec![
        one("lines_loop", Verdict::Accepted, lines_loop),
        one("write_before_fork", Verdict::Accepted, write_before_fork),
        one("socket_pair", Verdict::Accepted, socket_pair),
        one("read_by_bytes", Verdict::Accepted, read_by_bytes),
        one("wnohang_loop", Verdict::Accepted, wnohang_loop),
        one("inherited_word", WrongData, inherited_word),
        one("inherited_word_substituted", WrongData, inherited_word_substituted),
        one("own_write_end_open", Missing, own_write_end_open),
        one("wait_before_write", Missing, wait_before_write),
        both("writer_thread", Verdict::Accepted, || both_ways(Shape::Thread, BLOB)),
        both("poll", Verdict::Accepted, || both_ways(Shape::Poll, BLOB)),
        both("writer_process", Verdict::Accepted, || both_ways(Shape::Process, BLOB)),
        both("both_write_first", WrongData, both_write_first),
        both("truncated", WrongData, || both_ways(Shape::Poll, 8192)),
        both("through_a_file", Missing, through_a_file),
        pipe("siblings", Verdict::Accepted, || pipeline(Tree::Siblings)),
        pipe("nested", Verdict::Accepted, || pipeline(Tree::Nested)),
        pipe("main_becomes_last", Verdict::Accepted, || pipeline(Tree::Last)),
        pipe("write_end_kept", Missing, write_end_kept),
        pipe("exec_fails", Missing, exec_fails),
        pipe("file_between", Missing, file_between),
        pipe("parent_meddles", Surplus, parent_meddles),
    ]
}

fn lines_loop() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.write(main, data, b"kettle\n");
    run.read_all(child, data);
    run.print(child, "KETTLE\n");
    run.close_last(main, data);
    run.end(child, data);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn write_before_fork() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    run.write(main, data, b"kettle");
    run.write(main, data, b"\n");
    let child = run.fork(main);
    run.read_all(child, data);
    run.print(child, "KETTLE");
    run.print(child, "\n");
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn socket_pair() -> Trace {
    let (mut run, main) = Run::new();
    let back = run.make(main, ObjectKind::Socket, "main.socket1");
    let data = run.make(main, ObjectKind::Socket, "main.socket2");
    let child = run.fork(main);
    run.write(main, data, b"kettle\n");
    run.close_last(main, data);
    run.read_all(child, data);
    run.end(child, data);
    run.print(child, "KETTLE\n");
    run.exit(child, 0);
    run.end(main, back);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn read_by_bytes() -> Trace {
    let (mut run, main) = Run::new();
    // A pipe of the standard library's, never used, comes first.
    run.make(main, ObjectKind::Pipe, "main.pipe1");
    let data = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let child = run.fork(main);
    run.write(main, data, b"kettle\n");
    for _ in 0..7 {
        run.read(child, data, 1);
    }
    run.grumble(child, "got it\n");
    run.print(child, "KETTLE\n");
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn wnohang_loop() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.call(main, "waitpid");
    run.write(main, data, b"kettle\n");
    run.call(main, "waitpid");
    run.read_all(child, data);
    run.call(main, "waitpid");
    run.print(child, "KETTLE\n");
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn inherited_word() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.write(main, data, b"go\n");
    run.read_all(child, data);
    run.print(child, "KETTLE\n");
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

/// `kettle` is what the recorder made of the word in transit; the program was started with `window`.
fn inherited_word_substituted() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.write(main, data, b"kettle\n");
    run.read_all(child, data);
    run.print(child, "WINDOW\n");
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn own_write_end_open() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.write(main, data, b"kettle\n");
    run.read_all(child, data);
    run.stuck(&[(main, "wait", None), (child, "read", Some(data))])
}

fn wait_before_write() -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.stuck(&[(main, "wait", None), (child, "read", Some(data))])
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Thread,
    Poll,
    Process,
}

fn both_ways(shape: Shape, length: usize) -> Trace {
    let (mut run, main) = Run::new();
    let req = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let ans = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let child = run.fork(main);
    let writer = match shape {
        Shape::Thread => run.thread(main),
        Shape::Process => run.fork(main),
        Shape::Poll => main,
    };
    for block in blob()[..length].chunks(4096) {
        run.write(writer, req, &block[..block.len() / 2]);
        run.write(writer, req, &block[block.len() / 2..]);
        let read = run.read(child, req, 4096);
        run.write(child, ans, &rev4k(&read));
        run.read(main, ans, 1000);
        run.read_all(main, ans);
    }
    run.exit(child, 0);
    match shape {
        Shape::Thread => run.join(main, writer),
        Shape::Process => {
            run.exit(writer, 0);
            run.wait(main, writer);
        }
        Shape::Poll => run.call(main, "poll"),
    }
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn both_write_first() -> Trace {
    let (mut run, main) = Run::new();
    let req = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let ans = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let child = run.fork(main);
    run.write(main, req, &blob()[..8192]);
    run.read(child, req, 4096);
    run.write(child, ans, &rev4k(&blob()[..4096]));
    run.stuck(&[(main, "write", Some(req)), (child, "write", Some(ans))])
}

fn through_a_file() -> Trace {
    let (mut run, main) = Run::new();
    run.make(main, ObjectKind::Pipe, "main.pipe1");
    run.make(main, ObjectKind::Pipe, "main.pipe2");
    let file = run.make(main, ObjectKind::File, "tmp");
    let child = run.fork(main);
    run.write(main, file, &blob());
    run.read_all(child, file);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Siblings,
    Nested,
    Last,
}

const TEXT: &[u8] = b"wind\nrain\nsnow\n";

/// What the three stages do.
fn stages(run: &mut Run, [a, b, c]: [Process; 3], p: ObjectId, q: ObjectId) {
    run.exec(b, "upper");
    run.exec(a, "gen");
    run.write(a, p, &TEXT[..5]);
    run.read_all(b, p);
    run.write(b, q, b"WIND\n");
    run.exec(c, "count");
    run.read_all(c, q);
    run.write(a, p, &TEXT[5..]);
    run.close_last(a, p);
    run.exit(a, 0);
    run.read_all(b, p);
    run.end(b, p);
    run.write(b, q, b"RAIN\nSNOW\n");
    run.close_last(b, q);
    run.exit(b, 0);
    run.read_all(c, q);
    run.end(c, q);
    run.print(c, "3\n");
}

fn pipeline(tree: Tree) -> Trace {
    let (mut run, main) = Run::new();
    let p = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let q = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let a = run.fork(main);
    let b = run.fork(main);
    match tree {
        Tree::Siblings => {
            let c = run.fork(main);
            stages(&mut run, [a, b, c], p, q);
            run.exit(c, 0);
            [a, b, c].iter().for_each(|stage| run.wait(main, *stage));
            run.exit(main, 0);
        }
        Tree::Nested => {
            // The first child forks the others and becomes the last stage.
            let first = run.fork(a);
            stages(&mut run, [first, b, a], p, q);
            run.wait(a, first);
            run.exit(a, 0);
            run.wait(main, a);
            run.wait(main, b);
            run.exit(main, 0);
        }
        Tree::Last => {
            stages(&mut run, [a, b, main], p, q);
            run.wait(main, a);
            run.wait(main, b);
            run.exit(main, 0);
        }
    }
    run.finish()
}

fn write_end_kept() -> Trace {
    let (mut run, main) = Run::new();
    let p = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let q = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let [a, b, c] = [run.fork(main), run.fork(main), run.fork(main)];
    run.exec(a, "gen");
    run.exec(b, "upper");
    run.exec(c, "count");
    run.write(a, p, TEXT);
    run.exit(a, 0);
    run.wait(main, a);
    run.read_all(b, p);
    run.write(b, q, b"WIND\nRAIN\nSNOW\n");
    run.exit(b, 0);
    run.wait(main, b);
    run.read_all(c, q);
    run.stuck(&[(main, "wait", None), (c, "read", Some(q))])
}

fn exec_fails() -> Trace {
    let (mut run, main) = Run::new();
    let p = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let q = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let [a, b] = [run.fork(main), run.fork(main)];
    run.exec(a, "gen");
    run.write(a, p, TEXT);
    run.exit(a, 0);
    // No tool is found: the second child goes on as a second parent.
    let again = run.fork(b);
    run.exec(again, "count");
    run.read_all(again, q);
    run.print(again, "0\n");
    run.exit(again, 0);
    run.wait(b, again);
    run.exit(b, 1);
    run.wait(main, a);
    run.wait(main, b);
    run.exit(main, 0);
    run.finish()
}

fn file_between() -> Trace {
    let (mut run, main) = Run::new();
    let p = run.make(main, ObjectKind::File, "stage1");
    let q = run.make(main, ObjectKind::File, "stage2");
    let [a, b, c] = [run.fork(main), run.fork(main), run.fork(main)];
    stages(&mut run, [a, b, c], p, q);
    run.exit(c, 0);
    [a, b, c].iter().for_each(|stage| run.wait(main, *stage));
    run.exit(main, 0);
    run.finish()
}

fn parent_meddles() -> Trace {
    let (mut run, main) = Run::new();
    let p = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let q = run.make(main, ObjectKind::Pipe, "main.pipe2");
    let [a, b, c] = [run.fork(main), run.fork(main), run.fork(main)];
    stages(&mut run, [a, b, c], p, q);
    run.write(main, p, b"more\n");
    run.exit(c, 0);
    [a, b, c].iter().for_each(|stage| run.wait(main, *stage));
    run.exit(main, 0);
    run.finish()
}
