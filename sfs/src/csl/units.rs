//! Work unit ids of a virtual machine and the stack of default ones.

use std::collections::{HashMap, VecDeque};

use cp::name::{FilePoolId, UserId};

use super::{FpError, Token, WorkUnitData};
use crate::reason::ReasonCode;

/// Work unit ids that one machine may hold: a bound on what it can make servers keep. One for each client thread of a server
/// with as many clients as a process may have sockets.
pub(super) const MAX_WORK_UNITS: usize = 65_536;

/// User ids that may be stacked: a program that needs more has lost count of its pops.
pub(super) const MAX_ALTERNATES: usize = 64;
/// Errors of one call on a work unit that are kept: a few for each of more file pools than a machine is connected to.
const MAX_ERRORS: usize = 256;

/// A work unit id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkUnitId(pub u32);

impl WorkUnitId {
    /// 0: the current default work unit.
    pub const DEFAULT: WorkUnitId = WorkUnitId(0);
}

/// The first default, which every machine has from the start.
const FIRST: WorkUnitId = WorkUnitId(1);

/// A work unit's part in one pool.
#[derive(Debug, Clone, Copy)]
struct Part {
    pool: FilePoolId,
    // The connection that carries it.
    connection: u64,
    // Changes are pending there.
    pending: bool,
}

pub(super) struct Units {
    // The pools each unit has used, in the order of first use.
    held: HashMap<WorkUnitId, Vec<Part>>,
    stack: Vec<WorkUnitId>,
    next: u32,
    tokens: HashMap<Token, WorkUnitId>,
    // The user that a unit works for, when that is not the machine's own.
    users: HashMap<WorkUnitId, UserId>,
    // DMSPUSHA.
    alternates: Vec<UserId>,
    // What DMSGETER has still to tell.
    errors: HashMap<WorkUnitId, VecDeque<FpError>>,
    // DMSUDATA, with the pools that know it.
    data: HashMap<WorkUnitId, (WorkUnitData, Vec<FilePoolId>)>,
}

impl Units {
    pub(super) fn new() -> Self {
        Self {
            held: HashMap::from([(FIRST, Vec::new())]),
            stack: vec![FIRST],
            next: 2,
            tokens: HashMap::new(),
            users: HashMap::new(),
            alternates: Vec::new(),
            errors: HashMap::new(),
            data: HashMap::new(),
        }
    }

    pub(super) fn get(&mut self) -> Result<WorkUnitId, ReasonCode> {
        if self.held.len() >= MAX_WORK_UNITS {
            return Err(ReasonCode::TooManyWorkUnits);
        }
        // Ids come round again after four thousand million; those still held are passed over.
        loop {
            let id = WorkUnitId(self.next);
            self.next = self.next.checked_add(1).unwrap_or(2);
            if let std::collections::hash_map::Entry::Vacant(slot) = self.held.entry(id) {
                slot.insert(Vec::new());
                self.users.extend(self.alternates.last().map(|user| (id, *user)));
                return Ok(id);
            }
        }
    }

    pub(super) fn default_unit(&self) -> WorkUnitId {
        self.stack.last().copied().unwrap_or(FIRST)
    }

    /// The id itself, or the current default for 0.
    pub(super) fn resolve(&self, id: WorkUnitId) -> Result<WorkUnitId, ReasonCode> {
        let id = if id == WorkUnitId::DEFAULT { self.default_unit() } else { id };
        if self.held.contains_key(&id) { Ok(id) } else { Err(ReasonCode::WorkUnitUnknown) }
    }

    /// Notes that `id` is used in `pool` over the connection of that number, to change something or not.
    ///
    /// # Errors
    /// `ConnectionLost` when changes were pending on an earlier connection: they are gone, and to go on would commit the rest
    /// without them. Said once; the unit is then as new in that pool.
    pub(super) fn touch(
        &mut self,
        id: WorkUnitId,
        pool: FilePoolId,
        connection: u64,
        changes: bool,
    ) -> Result<(), ReasonCode> {
        let Some(parts) = self.held.get_mut(&id) else { return Err(ReasonCode::WorkUnitUnknown) };
        let Some(part) = parts.iter_mut().find(|p| p.pool == pool) else {
            parts.push(Part { pool, connection, pending: changes });
            return Ok(());
        };
        let lost = part.pending && part.connection != connection;
        part.connection = connection;
        part.pending = !lost && (part.pending || changes);
        if lost { Err(ReasonCode::ConnectionLost) } else { Ok(()) }
    }

    /// Nothing of `id` is pending in `pool` any more.
    pub(super) fn settled(&mut self, id: WorkUnitId, pool: FilePoolId) {
        let parts = self.held.get_mut(&id).into_iter().flatten();
        parts.filter(|p| p.pool == pool).for_each(|p| p.pending = false);
    }

    pub(super) fn pools(&self, id: WorkUnitId) -> Vec<FilePoolId> {
        self.held.get(&id).into_iter().flatten().map(|p| p.pool).collect()
    }

    /// The pools in which changes of `id` are pending, in the order of first use.
    pub(super) fn pending(&self, id: WorkUnitId) -> Vec<FilePoolId> {
        self.held.get(&id).into_iter().flatten().filter(|p| p.pending).map(|p| p.pool).collect()
    }

    pub(super) fn forget(&mut self, id: WorkUnitId) {
        // The first default stays, as every machine has it.
        if id != FIRST {
            self.held.remove(&id);
        }
        self.users.remove(&id);
        self.errors.remove(&id);
        self.tokens.retain(|_, unit| *unit != id);
        self.data.remove(&id);
    }

    /// The user that a work unit works for, when that is not the machine's own.
    pub(super) fn user_of(&self, id: WorkUnitId) -> Option<UserId> {
        self.users.get(&id).copied()
    }

    /// Whether a work unit works for that user in place of the machine's own.
    pub(super) fn works_for(&self, user: UserId) -> bool {
        self.users.values().any(|u| *u == user)
    }

    pub(super) fn push_user(&mut self, user: UserId) -> Result<(), ReasonCode> {
        if self.alternates.len() >= MAX_ALTERNATES {
            return Err(ReasonCode::LimitExceeded);
        }
        self.alternates.push(user);
        Ok(())
    }

    pub(super) fn pop_user(&mut self) -> Result<UserId, ReasonCode> {
        self.alternates.pop().ok_or(ReasonCode::UserStackEmpty)
    }

    /// What went wrong earlier on a work unit is told no more.
    pub(super) fn forget_errors(&mut self, id: WorkUnitId) {
        self.errors.remove(&id);
    }

    pub(super) fn note_error(&mut self, id: WorkUnitId, error: FpError) {
        let errors = self.errors.entry(id).or_default();
        if errors.len() < MAX_ERRORS {
            errors.push_back(error);
        }
    }

    pub(super) fn next_error(&mut self, id: WorkUnitId) -> Result<FpError, ReasonCode> {
        let error = self.errors.get_mut(&id).and_then(VecDeque::pop_front);
        error.ok_or(ReasonCode::NoFurtherError)
    }

    /// Sets the user data of a work unit, which no pool knows yet.
    pub(super) fn set_data(&mut self, id: WorkUnitId, data: WorkUnitData) {
        self.data.insert(id, (data, Vec::new()));
    }

    /// The user data of a work unit, if `pool` is to be told now.
    pub(super) fn data_for(&mut self, id: WorkUnitId, pool: FilePoolId) -> Option<WorkUnitData> {
        let (data, told) = self.data.get_mut(&id)?;
        if told.contains(&pool) {
            return None;
        }
        told.push(pool);
        Some(data.clone())
    }

    /// The work unit has ended, and with it its user data.
    pub(super) fn ended(&mut self, id: WorkUnitId) {
        self.data.remove(&id);
    }

    pub(super) fn push(&mut self, id: WorkUnitId) {
        self.stack.push(id);
    }

    pub(super) fn pop(&mut self) -> Result<WorkUnitId, ReasonCode> {
        if self.stack.len() <= 1 {
            return Err(ReasonCode::WorkUnitStackEmpty);
        }
        self.stack.pop().ok_or(ReasonCode::WorkUnitStackEmpty)
    }

    pub(super) fn stack_depth(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn purge(&mut self) {
        *self = Self { next: self.next, ..Self::new() };
    }

    pub(super) fn opened(&mut self, token: Token, id: WorkUnitId) {
        self.tokens.insert(token, id);
    }

    pub(super) fn closed(&mut self, token: Token) {
        self.tokens.remove(&token);
    }

    pub(super) fn unit_of(&self, token: Token) -> Option<WorkUnitId> {
        self.tokens.get(&token).copied()
    }
}
