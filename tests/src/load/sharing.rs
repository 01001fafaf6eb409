//! LIST for a user to whom many others have given something.

use std::io;

use super::workload::{Figure, Target};

/// LIST of everything, the first time in the server's life and later, with at least that many mailboxes of others.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn lists(target: &Target, others: usize) -> io::Result<Vec<Figure>> {
    let mut client = target.login(0)?;
    let mut times = Vec::new();
    let mut lap = target.lap();
    let first = target.lap();
    let mut cpu = None;
    for round in 0..6 {
        if round == 1 {
            cpu = first.cpu(1.0);
            lap = target.lap();
        }
        let each = target.lap();
        let answer = client.ok("LIST \"\" *")?;
        times.push(each.milliseconds());
        if answer.count("Other Users/") + answer.count("Shared Folders/") < others {
            return Err(io::Error::other(format!("LIST shows {} names", answer.lines.len())));
        }
    }
    let later = lap.cpu(5.0);
    let name = format!("LIST with {others} mailboxes of others");
    let mut figures = vec![Figure::new(format!("{name} (first)"), times.remove(0), "ms").with_cpu(cpu)];
    times.sort_by(f64::total_cmp);
    figures.push(Figure::new(name, times[2], "ms").with_cpu(later));
    Ok(figures)
}
