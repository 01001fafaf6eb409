//! The program stack: lines that commands leave for each other.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Lines the stack can hold. Real storage ended it; this is far more than any EXEC leaves.
pub const MAX_STACK_LINES: usize = 100_000;

/// The stack is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the program stack is full")]
pub struct StackFull;

/// The program stack of one CMS.
#[derive(Default)]
pub struct ProgramStack {
    lines: Mutex<VecDeque<String>>,
}

impl ProgramStack {
    /// Adds a line at the end (FIFO).
    ///
    /// # Errors
    /// [`StackFull`] at [`MAX_STACK_LINES`].
    pub fn queue(&self, line: String) -> Result<(), StackFull> {
        let mut lines = self.lines.lock();
        if lines.len() >= MAX_STACK_LINES {
            return Err(StackFull);
        }
        lines.push_back(line);
        Ok(())
    }

    /// Adds a line in front (LIFO).
    ///
    /// # Errors
    /// [`StackFull`] at [`MAX_STACK_LINES`].
    pub fn push(&self, line: String) -> Result<(), StackFull> {
        let mut lines = self.lines.lock();
        if lines.len() >= MAX_STACK_LINES {
            return Err(StackFull);
        }
        lines.push_front(line);
        Ok(())
    }

    /// Takes the first line.
    pub fn pull(&self) -> Option<String> {
        self.lines.lock().pop_front()
    }

    /// Number of lines.
    pub fn queued(&self) -> usize {
        self.lines.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifo_fifo_and_the_limit() {
        let stack = ProgramStack::default();
        stack.queue("b".into()).unwrap();
        stack.push("a".into()).unwrap();
        assert_eq!((stack.pull(), stack.pull(), stack.pull()), (Some("a".into()), Some("b".into()), None));
        for _ in 0..MAX_STACK_LINES {
            stack.queue(String::new()).unwrap();
        }
        assert_eq!(stack.queue(String::new()), Err(StackFull));
        assert_eq!(stack.push(String::new()), Err(StackFull));
    }
}
