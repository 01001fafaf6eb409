//! DMSQCONN - Query Connections: of this virtual machine.

use super::Csl;
use cp::name::FilePoolId;

impl Csl {
    /// DMSQCONN: the file pools this machine is connected to. Source: QUERY FILEPOOL CONNECT.
    pub async fn dmsqconn(&self) -> Vec<FilePoolId> {
        self.connections().await
    }
}
