//! Who hears what: from a message to the bytes of a group, or of one client alone.
//!
//! A client hears one thing at a time, the bytes of a group or its own. When it is to hear another, what it has heard so far
//! is set down as a piece; so the order of all that it is sent is kept, and a client that hears one thing only costs one
//! range per turn.

use std::sync::Arc;

use super::Hub;
use super::client::{Hears, Piece, Whose};
use super::form::Form;
use super::group::{GroupId, SubscriptionId};
use super::index::number;
use super::message::Message;
use super::speech::{Listener, Speech};
use crate::limits;

impl Hub {
    /// Appends a message to what a group hears. Returns how many hear it.
    #[inline]
    pub(super) fn append(
        &mut self,
        id: GroupId,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
    ) -> u32 {
        let group = &self.groups[id as usize];
        if group.alone.is_none() && silent.is_none() {
            if let Some(client) = group.only_client() {
                return self.speak_to_one(id, client, message, large);
            }
            if group.is_ready() {
                return self.speak(id, message, large);
            }
        }
        self.append_carefully(id, message, large, silent)
    }

    /// Writes a message to a group whose members are ready to hear it. Returns how many members it has.
    #[inline]
    fn speak(&mut self, id: GroupId, message: &Message<'_>, large: Option<&Arc<Vec<u8>>>) -> u32 {
        self.turn_bytes += delivery_bytes(message, large);
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        let listener = Listener { form: group.form, sid: &group.sid };
        if let Some(speech) = &mut group.speech {
            speech.say(listener, message, large, self.last_id, self.mark);
        }
        number(group.members.len())
    }

    /// Writes a message for the only member of a group, among all else that this client alone is sent.
    #[inline]
    fn speak_to_one(
        &mut self,
        id: GroupId,
        client: u32,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
    ) -> u32 {
        self.turn_bytes += delivery_bytes(message, large);
        if !self.clients[client as usize].hears.is_own() {
            self.hear_own(client);
        }
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        if let Some(speech) = &mut self.clients[client as usize].own {
            speech.say(group.listener(), message, large, self.last_id, self.mark);
        }
        1
    }

    /// The same where not all members are ready to hear it, or somebody is not to.
    fn append_carefully(
        &mut self,
        id: GroupId,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
    ) -> u32 {
        let group = &mut self.groups[id as usize];
        if group.is_dead {
            return 0;
        }
        let is_last = match &mut group.alone {
            None => false,
            Some(alone) => {
                let client = group.members[0].client;
                if silent == Some(client)
                    || alone.hidden.as_ref().is_some_and(|hidden| hidden(message, self.now))
                {
                    self.turn_bytes += limits::HUB_LOOK_BYTES;
                    return 0;
                }
                alone.left = alone.left.map(|left| left - 1);
                alone.left == Some(0)
            }
        };
        if group.form == Form::Told {
            return self.append_told(id, message, is_last);
        }
        let count = match self.groups[id as usize].only_client() {
            Some(client) if silent == Some(client) => {
                self.turn_bytes += limits::HUB_LOOK_BYTES;
                0
            }
            Some(client) => self.speak_to_one(id, client, message, large),
            None => {
                let quiet = self.gather_members(id, silent);
                self.speak(id, message, large) - u32::from(quiet)
            }
        };
        if is_last {
            let subscription = self.groups[id as usize].members[0].subscription;
            self.end_subscription(subscription);
        }
        count
    }

    /// The same for a service itself, which is always alone.
    fn append_told(&mut self, id: GroupId, message: &Message<'_>, is_last: bool) -> u32 {
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        let (member, sid) = (group.members[0], group.sid.clone());
        let is_told = self.tell_service(member.client, &sid, message);
        if is_last {
            self.end_subscription(member.subscription);
        }
        u32::from(is_told)
    }

    /// Lets all members hear what comes next, but for the silent one. Returns whether that is one of them.
    pub(super) fn gather_members(&mut self, id: GroupId, silent: Option<u32>) -> bool {
        if self.groups[id as usize].speech.is_none() {
            let mut speech = self.new_speech();
            let group = &mut self.groups[id as usize];
            speech.late.extend(group.members.iter().map(|member| member.subscription));
            group.speech = Some(speech);
            self.open.push(id);
        }
        let silent_one = silent.and_then(|client| self.member_of(id, client));
        if let Some((client, subscription)) = silent_one {
            self.set_down_if(client, id);
            // Below zero for one that came from another group.
            let before = &mut self.subscriptions[subscription as usize].before;
            *before = before.wrapping_add(1);
        }
        let mut late = self.groups[id as usize]
            .speech
            .as_mut()
            .map(|speech| std::mem::take(&mut speech.late))
            .unwrap_or_default();
        late.retain(|subscription| {
            let is_silent = silent_one.is_some_and(|(_, silent)| silent == *subscription);
            if !is_silent {
                self.hear(id, *subscription);
            }
            is_silent
        });
        // Whoever was set down on the way belongs to another group.
        if let Some(speech) = &mut self.groups[id as usize].speech {
            late.append(&mut speech.late);
            speech.late = late;
        }
        silent_one.is_some()
    }

    pub(super) fn member_of(&self, group: GroupId, client: u32) -> Option<(u32, SubscriptionId)> {
        // By its name, since a client may have any number of subscriptions, and a group any number of members.
        let found = self.find_subscription(client, &self.groups[group as usize].sid)?;
        (self.subscriptions[found as usize].group == group).then_some((client, found))
    }

    fn new_speech(&mut self) -> Box<Speech> {
        let mut speech = self.speeches.pop().unwrap_or_default();
        speech.bytes = self.buffers.take();
        speech
    }

    /// From now on a client hears this group.
    fn hear(&mut self, group: GroupId, subscription: SubscriptionId) {
        let client = self.subscriptions[subscription as usize].client;
        self.set_down(client);
        let (start, messages) = ends(self.groups[group as usize].speech.as_deref());
        let hears = Hears::Group { group, subscription, start, messages };
        self.clients[client as usize].hears = hears;
        self.touch(client);
    }

    /// From now on a client hears what it alone is sent.
    pub(super) fn hear_own(&mut self, client: u32) {
        self.set_down(client);
        if self.clients[client as usize].own.is_none() {
            self.clients[client as usize].own = Some(self.new_speech());
        }
        let entry = &mut self.clients[client as usize];
        let (start, messages) = ends(entry.own.as_deref());
        entry.hears = Hears::Own { start, messages };
        self.touch(client);
    }

    /// Sets down what a client has heard; it hears nothing from now on.
    pub(super) fn set_down(&mut self, client: u32) {
        let hears = self.end_hearing(client);
        if let Hears::Group { group, subscription, .. } = hears
            && let Some(speech) = &mut self.groups[group as usize].speech
        {
            speech.late.push(subscription);
        }
    }

    /// The same, where nobody needs to know that it hears nothing. Returns what it heard.
    pub(super) fn end_hearing(&mut self, client: u32) -> Hears {
        let entry = &mut self.clients[client as usize];
        let hears = std::mem::take(&mut entry.hears);
        let (whose, speech, start, before) = match hears {
            Hears::Nothing => return hears,
            Hears::Own { start, messages } => (Whose::Own, &entry.own, start, messages),
            Hears::Group { group, start, messages, .. } => {
                (Whose::Group(group), &self.groups[group as usize].speech, start, messages)
            }
        };
        let (end, messages) = ends(speech.as_deref());
        if start < end {
            entry.pieces.push(Piece { whose, range: start..end, messages: messages - before });
            self.turn_bytes += limits::HUB_PIECE_BYTES;
        }
        hears
    }

    /// The same, if it is this group.
    pub(super) fn set_down_if(&mut self, client: u32, id: GroupId) {
        if matches!(self.clients[client as usize].hears, Hears::Group { group, .. } if group == id) {
            self.set_down(client);
        }
    }

    pub(super) fn touch(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        if !entry.touched {
            entry.touched = true;
            self.touched.push(client);
        }
    }
}

/// How far a speech has come: its bytes and its messages.
#[inline]
fn ends(speech: Option<&Speech>) -> (usize, u64) {
    speech.map_or((0, 0), |speech| (speech.end(), speech.messages))
}

/// What a delivery adds to the bytes of a turn.
#[inline]
fn delivery_bytes(message: &Message<'_>, large: Option<&Arc<Vec<u8>>>) -> usize {
    limits::HUB_DELIVERY_BYTES + if large.is_some() { 0 } else { message.size() }
}
