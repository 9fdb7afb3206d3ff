//! How far publishers may be ahead of the slowest subscriber.
//!
//! The slowest one is looked for only when it has moved: as long as the one that was found last holds a publisher up,
//! nobody else need be asked.

use super::listener::Listener;

/// What publishers may do.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Messages that each may be ahead.
    window: u64,
    /// By publisher, the subscriber and its subscription that was farthest behind.
    slowest: Vec<(usize, usize)>,
}

impl Flow {
    /// For so many publishers.
    pub fn new(window: u64, publishers: u32) -> Self {
        Self { window, slowest: vec![(0, 0); publishers as usize] }
    }

    /// Messages that a publisher may send now, which has sent so many; at least `least`, or none.
    pub fn room(&mut self, publisher: usize, published: u64, least: u64, listeners: &[Listener]) -> u64 {
        let (listener, subscription) = self.slowest[publisher];
        let behind = |listener: &Listener, subscription: usize| {
            if listener.is_open { listener.lag(subscription, publisher, published) } else { 0 }
        };
        let hint = listeners.get(listener).map_or(0, |listener| behind(listener, subscription));
        if self.window.saturating_sub(hint) < least {
            return 0;
        }
        let mut most = 0;
        for (number, listener) in listeners.iter().enumerate() {
            for subscription in 0..listener.subscriptions() {
                let lag = behind(listener, subscription);
                if most < lag {
                    most = lag;
                    self.slowest[publisher] = (number, subscription);
                }
            }
        }
        let room = self.window.saturating_sub(most);
        if room < least { 0 } else { room }
    }
}

#[cfg(test)]
mod tests {
    use super::super::listener::Subscription;
    use super::super::subjects::{Audience, Subjects};
    use super::*;

    /// Two subscribers to one subject, of which nothing has come but what was forgiven.
    fn listeners(forgiven: [u64; 2]) -> Vec<Listener> {
        let interest =
            Subjects::new("a", 1).interests(Audience { subscribers: 2, wildcards: 0 }, 0).remove(0);
        let listener = |forgiven| {
            let mut listener = Listener::new(vec![Subscription::new(&interest, 1, None)], 1);
            listener.forgive(&[forgiven]);
            listener
        };
        forgiven.map(listener).into()
    }

    #[test]
    fn the_slowest_subscriber_decides() {
        let mut flow = Flow::new(10, 1);
        assert_eq!(flow.room(0, 0, 1, &listeners([0, 0])), 10);
        assert_eq!(flow.room(0, 8, 1, &listeners([8, 1])), 3);
        assert_eq!(flow.room(0, 8, 4, &listeners([8, 1])), 0, "a few are not worth a send");
        assert_eq!(flow.room(0, 11, 1, &listeners([8, 1])), 0);
        assert_eq!(flow.room(0, 11, 1, &listeners([8, 11])), 7, "the slowest one is another now");
        let mut closed = listeners([0, 11]);
        closed[0].is_open = false;
        assert_eq!(flow.room(0, 11, 1, &closed), 10, "who has gone holds nobody up");
    }
}
