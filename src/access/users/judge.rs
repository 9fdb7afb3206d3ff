//! A thread for passwords that take long to check: a shard must not wait for bcrypt.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use super::verdict::{Answer, Question};
use crate::limits;

/// Answers questions one after the other, on a thread of its own that ends with its last owner.
#[derive(Debug)]
pub struct Judge {
    questions: SyncSender<(Question, SyncSender<Answer>)>,
}

impl Judge {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> std::io::Result<Arc<Self>> {
        let (questions, asked) =
            sync_channel::<(Question, SyncSender<Answer>)>(limits::QUESTIONS_WAITING_MAX);
        Builder::new().name("passwords".to_owned()).spawn(move || {
            for (question, answer) in asked {
                // Whoever asked may have gone.
                let _ = answer.try_send(question.answer());
            }
        })?;
        Ok(Arc::new(Self { questions }))
    }

    /// Asks, without waiting. `None` when so many have asked that there is no hope for an answer in time.
    pub fn ask(&self, question: Question) -> Option<Receiver<Answer>> {
        let (answer, answered) = sync_channel(1);
        self.questions.try_send((question, answer)).ok().map(|()| answered)
    }
}
