//! Command sets (PS3.7 section 6.3 and annex E): Implicit VR Little Endian, bounded, pure.

use crate::status::Status;
use std::fmt;

/// Longest command set put together from fragments; real ones have a few hundred bytes.
pub const COMMAND_SET_LENGTH_MAX: usize = 64 << 10;

/// Longest UID written into a response (PS3.5 section 9.1); a longer one was never valid and is left out.
const UID_LENGTH_MAX: usize = 64;

/// Longest Error Comment (VR `LO`).
const ERROR_COMMENT_LENGTH_MAX: usize = 64;

/// Value of Command Data Set Type that says that no data set follows.
const NO_DATA_SET: u16 = 0x0101;

/// The service a command belongs to (PS3.7 table E.1-1), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandField {
    /// `0001`
    StoreRequest,
    /// `8001`
    StoreResponse,
    /// `0030`
    EchoRequest,
    /// `8030`
    EchoResponse,
    /// `0FFF`
    CancelRequest,
    /// Anything else.
    Other(u16),
}

impl CommandField {
    /// The value on the wire.
    pub fn code(self) -> u16 {
        match self {
            CommandField::StoreRequest => 0x0001,
            CommandField::StoreResponse => 0x8001,
            CommandField::EchoRequest => 0x0030,
            CommandField::EchoResponse => 0x8030,
            CommandField::CancelRequest => 0x0FFF,
            CommandField::Other(code) => code,
        }
    }

    /// Whether the command answers one of ours.
    pub fn is_response(self) -> bool {
        self.code() & 0x8000 != 0
    }

    /// The field of the response to this request.
    pub fn response(self) -> CommandField {
        CommandField::from(self.code() | 0x8000)
    }
}

impl From<u16> for CommandField {
    fn from(code: u16) -> CommandField {
        match code {
            0x0001 => CommandField::StoreRequest,
            0x8001 => CommandField::StoreResponse,
            0x0030 => CommandField::EchoRequest,
            0x8030 => CommandField::EchoResponse,
            0x0FFF => CommandField::CancelRequest,
            other => CommandField::Other(other),
        }
    }
}

/// A command set: the elements that C-ECHO and C-STORE use; others are skipped when read.
///
/// UIDs are text as received without trailing padding, not checked; an element that is absent is `None`. `Debug` leaves
/// out what may name a patient: the SOP Instance UID and the Error Comment.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// (0000,0002) Affected SOP Class UID
    pub affected_sop_class_uid: Option<String>,
    /// (0000,0100) Command Field
    pub field: CommandField,
    /// (0000,0110) Message ID
    pub message_id: Option<u16>,
    /// (0000,0120) Message ID Being Responded To
    pub message_id_responded_to: Option<u16>,
    /// (0000,0700) Priority
    pub priority: Option<u16>,
    /// (0000,0800) Command Data Set Type is something else than `0101`
    pub has_data_set: bool,
    /// (0000,0900) Status
    pub status: Option<Status>,
    /// (0000,0902) Error Comment
    pub error_comment: Option<String>,
    /// (0000,1000) Affected SOP Instance UID
    pub affected_sop_instance_uid: Option<String>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("field", &self.field)
            .field("message_id", &self.message_id)
            .field("message_id_responded_to", &self.message_id_responded_to)
            .field("has_data_set", &self.has_data_set)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Bytes that are no command set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The command set exceeds [`COMMAND_SET_LENGTH_MAX`].
    #[error("the command set is longer than {COMMAND_SET_LENGTH_MAX} bytes")]
    TooLong,
    /// An element claims more bytes than there are.
    #[error("an element of the command set is longer than the command set")]
    Truncated,
    /// A number has not two bytes.
    #[error("element (0000,{0:04X}) of the command set is not a 16-bit number")]
    NotANumber(u16),
    /// There is an element outside group 0000.
    #[error("the command set has an element of group {0:04X}")]
    ForeignGroup(u16),
    /// (0000,0100) Command Field is missing.
    #[error("the command set has no Command Field (0000,0100)")]
    NoCommandField,
}

impl Command {
    /// An empty command without data set.
    pub fn new(field: CommandField) -> Command {
        Command {
            affected_sop_class_uid: None,
            field,
            message_id: None,
            message_id_responded_to: None,
            priority: None,
            has_data_set: false,
            status: None,
            error_comment: None,
            affected_sop_instance_uid: None,
        }
    }

    /// The response to this request, naming the same SOP class and instance (PS3.7 sections 9.3.1.2 and 9.3.5.2).
    pub fn respond(&self, status: Status, error_comment: Option<String>) -> Command {
        Command {
            affected_sop_class_uid: self.affected_sop_class_uid.clone(),
            message_id_responded_to: Some(self.message_id.unwrap_or(0)),
            status: Some(status),
            error_comment,
            affected_sop_instance_uid: self.affected_sop_instance_uid.clone(),
            ..Command::new(self.field.response())
        }
    }

    /// Reads a complete command set.
    ///
    /// # Errors
    /// [`CommandError`], naming what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Command, CommandError> {
        if COMMAND_SET_LENGTH_MAX < bytes.len() {
            return Err(CommandError::TooLong);
        }
        let mut command = Command::new(CommandField::Other(0));
        let mut field = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (element, value) = take_element(&mut rest)?;
            match element {
                0x0002 => command.affected_sop_class_uid = Some(text(value)),
                0x0100 => field = Some(CommandField::from(number(element, value)?)),
                0x0110 => command.message_id = Some(number(element, value)?),
                0x0120 => command.message_id_responded_to = Some(number(element, value)?),
                0x0700 => command.priority = Some(number(element, value)?),
                0x0800 => command.has_data_set = number(element, value)? != NO_DATA_SET,
                0x0900 => command.status = Some(Status(number(element, value)?)),
                0x0902 => command.error_comment = Some(text(value)),
                0x1000 => command.affected_sop_instance_uid = Some(text(value)),
                _ => {}
            }
        }
        command.field = field.ok_or(CommandError::NoCommandField)?;
        Ok(command)
    }

    /// The command set as bytes, elements in ascending order with the group length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        put(&mut out, 0x0000, &[0; 4]);
        if let Some(uid) = &self.affected_sop_class_uid {
            put_uid(&mut out, 0x0002, uid);
        }
        put(&mut out, 0x0100, &self.field.code().to_le_bytes());
        if let Some(id) = self.message_id {
            put(&mut out, 0x0110, &id.to_le_bytes());
        }
        if let Some(id) = self.message_id_responded_to {
            put(&mut out, 0x0120, &id.to_le_bytes());
        }
        if let Some(priority) = self.priority {
            put(&mut out, 0x0700, &priority.to_le_bytes());
        }
        let data_set_type = if self.has_data_set { 0x0001 } else { NO_DATA_SET };
        put(&mut out, 0x0800, &data_set_type.to_le_bytes());
        if let Some(status) = self.status {
            put(&mut out, 0x0900, &status.0.to_le_bytes());
        }
        if let Some(comment) = &self.error_comment {
            put_comment(&mut out, comment);
        }
        if let Some(uid) = &self.affected_sop_instance_uid {
            put_uid(&mut out, 0x1000, uid);
        }
        let group_length = (out.len() - 12) as u32;
        out[8..12].copy_from_slice(&group_length.to_le_bytes());
        out
    }
}

/// The next element of group 0000: its number and value.
fn take_element<'a>(rest: &mut &'a [u8]) -> Result<(u16, &'a [u8]), CommandError> {
    let ([a, b, c, d, e, f, g, h], tail) = rest.split_first_chunk::<8>().ok_or(CommandError::Truncated)?;
    let group = u16::from_le_bytes([*a, *b]);
    if group != 0 {
        return Err(CommandError::ForeignGroup(group));
    }
    let length = usize::try_from(u32::from_le_bytes([*e, *f, *g, *h])).map_err(|_| CommandError::Truncated)?;
    let (value, tail) = tail.split_at_checked(length).ok_or(CommandError::Truncated)?;
    *rest = tail;
    Ok((u16::from_le_bytes([*c, *d]), value))
}

fn number(element: u16, value: &[u8]) -> Result<u16, CommandError> {
    let bytes = <[u8; 2]>::try_from(value).map_err(|_| CommandError::NotANumber(element))?;
    Ok(u16::from_le_bytes(bytes))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_owned()
}

/// Appends an element; values are at most [`UID_LENGTH_MAX`] bytes, so the length fits.
fn put(out: &mut Vec<u8>, element: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

fn put_uid(out: &mut Vec<u8>, element: u16, uid: &str) {
    if UID_LENGTH_MAX < uid.len() || !uid.is_ascii() {
        return;
    }
    let mut value = uid.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    put(out, element, &value);
}

fn put_comment(out: &mut Vec<u8>, comment: &str) {
    let printable = |c: char| if matches!(c, ' '..='~') && c != '\\' { c as u8 } else { b'?' };
    let mut value: Vec<u8> = comment.chars().take(ERROR_COMMENT_LENGTH_MAX).map(printable).collect();
    if value.len() % 2 == 1 {
        value.push(b' ');
    }
    put(out, 0x0902, &value);
}
