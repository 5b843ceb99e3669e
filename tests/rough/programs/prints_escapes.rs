//! Wants to paint the reader's terminal.

fn main() {
    print!("\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{202e}\u{9b}31m\r\n");
}
