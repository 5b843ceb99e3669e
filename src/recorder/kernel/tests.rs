//! Descriptors and the pipes behind them, with more than one process.

use super::*;

const SIZE: usize = 16 * PAGE;

/// Process 1 with a pipe at 3 and 4.
fn with_pipe() -> (Kernel, ObjectId) {
    let mut kernel = Kernel::default();
    let pipe = kernel.new_pipe((1, 1), SIZE);
    kernel.open(1, 3, pipe, (true, false), false, false);
    kernel.open(1, 4, pipe, (false, true), false, true);
    (kernel, pipe)
}

fn fill(kernel: &mut Kernel, pipe: ObjectId, len: usize) {
    assert_eq!(kernel.pipe(pipe).expect("it is there").put(&vec![b'x'; len]), len);
}

#[test]
fn a_read_waits_until_there_are_bytes_or_no_writers() {
    let (mut kernel, pipe) = with_pipe();
    kernel.forked(1, 2, false);
    assert_eq!(kernel.read(2, 3, 10), Answer::Waits);
    assert_eq!(kernel.read(2, 3, 0), Answer::Reads(0));
    fill(&mut kernel, pipe, 7);
    assert_eq!(kernel.read(2, 3, 10), Answer::Reads(7));
    assert_eq!(kernel.read(2, 3, 5), Answer::Reads(5));
    kernel.pipe(pipe).expect("it is there").take(7);
    kernel.close(1, 4);
    assert_eq!(kernel.read(2, 3, 10), Answer::Waits, "its own write end");
    kernel.close(2, 4);
    assert_eq!(kernel.read(2, 3, 10), Answer::Reads(0));
}

#[test]
fn ends_close_with_their_last_descriptor_process_or_exec() {
    let (mut kernel, pipe) = with_pipe();
    kernel.forked(1, 2, false);
    kernel.dup(2, Some(3), 9, false);
    kernel.close(2, 3);
    kernel.close(1, 3);
    assert_eq!(kernel.write(1, 4, 1, 0), Answer::Writes(1));
    kernel.gone(2);
    assert_eq!(kernel.write(1, 4, 1, 0), Answer::Fails(Errno::EPIPE));
    kernel.exec(1, 1);
    assert_eq!(kernel.write(1, 4, 1, 0), Answer::Unknown);
    assert_eq!(kernel.pipe(pipe).expect("it is there").writers, 0);
}

#[test]
fn a_shared_table_goes_with_its_last_user_and_exec_takes_a_copy() {
    let (mut kernel, pipe) = with_pipe();
    kernel.forked(1, 2, true);
    kernel.gone(1);
    assert_eq!(
        (kernel.pipe(pipe).expect("it is there").readers, kernel.pipe(pipe).expect("it is there").writers),
        (1, 1)
    );
    kernel.forked(2, 3, true);
    kernel.exec(3, 3);
    kernel.close(3, 3);
    assert_eq!(
        (kernel.pipe(pipe).expect("it is there").readers, kernel.pipe(pipe).expect("it is there").writers),
        (1, 1)
    );
    kernel.gone(2);
    assert_eq!(
        (kernel.pipe(pipe).expect("it is there").readers, kernel.pipe(pipe).expect("it is there").writers),
        (0, 0)
    );
}

#[test]
fn a_thread_that_execs_takes_the_first_ones_place() {
    let (mut kernel, _) = with_pipe();
    kernel.forked(1, 2, true);
    kernel.exec(1, 2);
    assert_eq!(kernel.read(1, 3, 1), Answer::Reads(0));
    assert_eq!(kernel.object_of(2, 3), None);
}

#[test]
fn small_writes_wait_whole_and_large_ones_in_part() {
    let (mut kernel, pipe) = with_pipe();
    fill(&mut kernel, pipe, 15 * PAGE + 1);
    assert_eq!(kernel.write(1, 4, PAGE, 0), Answer::Waits);
    assert_eq!(kernel.write(1, 4, PAGE - 1, 0), Answer::Writes(PAGE - 1));
    kernel.pipe(pipe).expect("it is there").take(2 * PAGE);
    assert_eq!(kernel.write(1, 4, 3 * PAGE, 0), Answer::Part(2 * PAGE));
    kernel.set_nonblocking(1, 4, true);
    assert_eq!(kernel.write(1, 4, 3 * PAGE, 0), Answer::Writes(2 * PAGE));
    fill(&mut kernel, pipe, 2 * PAGE);
    assert_eq!(kernel.write(1, 4, PAGE, 0), Answer::Fails(Errno::EAGAIN));
}

#[test]
fn what_left_the_model_is_nobodys_any_more() {
    let (mut kernel, pipe) = with_pipe();
    kernel.abandon(pipe);
    assert_eq!(kernel.read(1, 3, 1), Answer::Unknown);
    assert_eq!(kernel.object_at((1, 1)), None);
    // A number that it had may lead to something else later.
    let other = kernel.new_pipe((1, 1), SIZE);
    kernel.open(1, 3, other, (true, false), true, false);
    assert_eq!(kernel.read(1, 3, 1), Answer::Reads(0));
}

#[test]
fn a_fifo_is_opened_again_and_left_where_bytes_were_left_in_it() {
    let mut kernel = Kernel::default();
    let fifo = kernel.fifo((1, 2), SIZE).expect("it is new");
    kernel.open(1, 3, fifo, (false, true), false, false);
    assert_eq!(kernel.write(1, 3, 1, 0), Answer::Fails(Errno::EPIPE));
    kernel.open(2, 3, fifo, (true, false), false, false);
    assert_eq!(kernel.write(1, 3, 1, 0), Answer::Writes(1));
    kernel.close(1, 3);
    assert_eq!(kernel.read(2, 3, 1), Answer::Reads(0));
    kernel.close(2, 3);
    assert_eq!(kernel.fifo((1, 2), PAGE), Some(fifo));
    kernel.open(2, 4, fifo, (true, true), false, false);
    fill(&mut kernel, fifo, PAGE);
    assert_eq!(kernel.write(2, 4, 1, 0), Answer::Waits);
    kernel.close(2, 4);
    assert_eq!(kernel.fifo((1, 2), SIZE), None);
}

#[test]
fn ranges_close_or_are_marked() {
    let (mut kernel, pipe) = with_pipe();
    kernel.close_range(1, (4, u32::MAX), false, false);
    assert_eq!(kernel.pipe(pipe).expect("it is there").writers, 0);
    kernel.close_range(1, (3, 3), true, false);
    kernel.exec(1, 1);
    assert_eq!(kernel.object_of(1, 3), None);
}
