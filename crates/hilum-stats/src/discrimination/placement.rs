use crate::check;
use crate::error::StatsError;
use crate::ranks::{Clusters, Tally, auroc_of, clusters, rank_into, tally};

/// Scores turned into placement values (DeLong 1988): for a positive the share of negatives below it, for a negative the
/// share of positives above it, ties counting one half. One sort; everything else is linear.
pub(crate) struct Placements<'r> {
    /// Rank of each case among the distinct scores.
    pub(crate) of_case: &'r [u32],
    /// At every distinct score, placement of a negative and of a positive less the AUROC, which is the mean of either class's.
    deviations: Vec<[f64; 2]>,
    pub(crate) auroc: f64,
    /// Variance of the AUROC if every case is its own patient.
    variance_of_cases: f64,
}

impl Placements<'_> {
    /// Placement of a case of this rank less the AUROC.
    fn deviation(&self, rank: u32, label: bool) -> f64 {
        self.deviations[rank as usize][usize::from(label)]
    }
}

/// Who belongs together, and how many there are of each class.
pub(crate) struct Design<'a> {
    what: &'static str,
    labels: &'a [bool],
    pub(crate) n_positive: usize,
    pub(crate) n_negative: usize,
    /// `None` when every case is its own patient.
    pub(crate) clusters: Option<Clusters>,
    /// Patients with a positive, and with a negative case.
    pub(crate) n_positive_patients: usize,
    pub(crate) n_negative_patients: usize,
}

impl<'a> Design<'a> {
    /// Checks labels and patients; at least two patients must hold a positive, and two a negative case, because one
    /// has no variance.
    pub(crate) fn new(what: &'static str, labels: &'a [bool], patients: Option<&[u64]>) -> Result<Self, StatsError> {
        if let Some(patients) = patients {
            check::same_length(what, labels.len(), patients.len())?;
        }
        let n_positive = check::n_true(labels);
        let n_negative = labels.len() - n_positive;
        let grouped = patients.map(|_| clusters(labels.len(), patients)).filter(|c| c.n < labels.len());
        let (mut n_positive_patients, mut n_negative_patients) = (n_positive, n_negative);
        if let Some(grouped) = &grouped {
            let mut holds = vec![[false; 2]; grouped.n];
            for (&patient, &label) in grouped.of_case.iter().zip(labels) {
                holds[patient as usize][usize::from(label)] = true;
            }
            n_positive_patients = holds.iter().filter(|h| h[1]).count();
            n_negative_patients = holds.iter().filter(|h| h[0]).count();
        }
        let design = Design {
            what,
            labels,
            n_positive,
            n_negative,
            clusters: grouped,
            n_positive_patients,
            n_negative_patients,
        };
        let (of_positive, of_negative) = match design.clusters {
            None => ("positives", "negatives"),
            Some(_) => ("patients with a positive case", "patients with a negative case"),
        };
        check::at_least(what, of_positive, 2, n_positive_patients as u64)?;
        check::at_least(what, of_negative, 2, n_negative_patients as u64)?;
        Ok(design)
    }

    /// What the figure rests on: patients where they have several cases, else cases.
    pub(crate) fn n(&self) -> u64 {
        self.clusters.as_ref().map_or(self.labels.len(), |c| c.n) as u64
    }

    /// Expects checked scores, one for each label, and memory for as many ranks.
    pub(crate) fn placements<'r>(&self, scores: &[f64], ranks: &'r mut [u32]) -> Result<Placements<'r>, StatsError> {
        let n_distinct = rank_into(scores, ranks);
        let tallies = tally(ranks, n_distinct, self.labels);
        let auroc = auroc_of(&tallies).ok_or(StatsError::TooFew {
            what: self.what,
            of: "cases of each class",
            needed: 1,
            found: 0,
        })?;
        let deviations = self.deviations(&tallies, auroc);
        let variance_of_cases = self.variance_of_cases(&tallies, &deviations);
        Ok(Placements { of_case: ranks, deviations, auroc, variance_of_cases })
    }

    /// Placement of a negative and of a positive at every distinct score, less the AUROC.
    fn deviations(&self, tallies: &[Tally], auroc: f64) -> Vec<[f64; 2]> {
        let (mut negatives_below, mut positives_below) = (0_u64, 0_u64);
        let twice = (2.0 * self.n_positive as f64, 2.0 * self.n_negative as f64);
        let place = |&[negatives, positives]: &Tally| {
            let (negatives, positives) = (u64::from(negatives), u64::from(positives));
            let positives_above = self.n_positive as u64 - positives_below - positives;
            let negative = (2 * positives_above + positives) as f64 / twice.0;
            let positive = (2 * negatives_below + negatives) as f64 / twice.1;
            negatives_below += negatives;
            positives_below += positives;
            [negative - auroc, positive - auroc]
        };
        tallies.iter().map(place).collect()
    }

    /// Variance of an AUROC on these cases: [`covariance`](Self::covariance) with itself.
    pub(crate) fn variance(&self, a: &Placements<'_>) -> f64 {
        if self.clusters.is_some() { self.covariance(a, a) } else { a.variance_of_cases }
    }

    /// Of independent cases their counts per distinct score are all it takes.
    fn variance_of_cases(&self, tallies: &[Tally], deviations: &[[f64; 2]]) -> f64 {
        let mut sums = [0.0; 2];
        for (tally, deviation) in tallies.iter().zip(deviations) {
            for class in 0..2 {
                sums[class] += f64::from(tally[class]) * deviation[class].powi(2);
            }
        }
        self.of_sums(sums)
    }

    /// DeLong's variance from the sums of squares, or of products, over negatives and over positives.
    fn of_sums(&self, [of_negatives, of_positives]: [f64; 2]) -> f64 {
        let (m, n) = (self.n_positive as f64, self.n_negative as f64);
        of_positives / (m - 1.0) / m + of_negatives / (n - 1.0) / n
    }

    /// Covariance of two AUROCs on these cases: DeLong, DeLong & Clarke-Pearson (Biometrics 44, 1988, 837-845) for
    /// independent cases, Obuchowski (Biometrics 53, 1997, 567-578) for patients with several.
    pub(crate) fn covariance(&self, a: &Placements<'_>, b: &Placements<'_>) -> f64 {
        let (m, n) = (self.n_positive as f64, self.n_negative as f64);
        let Some(clusters) = &self.clusters else {
            let mut sums = [0.0; 2];
            for ((&label, &of_a), &of_b) in self.labels.iter().zip(a.of_case).zip(b.of_case) {
                sums[usize::from(label)] += a.deviation(of_a, label) * b.deviation(of_b, label);
            }
            return self.of_sums(sums);
        };
        let (of_a, of_b) = (self.patient_sums(clusters, a), self.patient_sums(clusters, b));
        let mut sums = [0.0; 3];
        for (a, b) in of_a.iter().zip(&of_b) {
            sums[0] += a[0] * b[0];
            sums[1] += a[1] * b[1];
            sums[2] += a[1] * b[0] + a[0] * b[1];
        }
        let corrected = |patients: usize| patients as f64 / (patients as f64 - 1.0);
        corrected(self.n_positive_patients) * sums[1] / (m * m)
            + corrected(self.n_negative_patients) * sums[0] / (n * n)
            + corrected(clusters.n) * sums[2] / (m * n)
    }

    /// Per patient, the sum over negative and over positive cases of placement minus AUROC.
    fn patient_sums(&self, clusters: &Clusters, placements: &Placements<'_>) -> Vec<[f64; 2]> {
        let mut sums = vec![[0.0; 2]; clusters.n];
        for ((&patient, &label), &rank) in clusters.of_case.iter().zip(self.labels).zip(placements.of_case) {
            sums[patient as usize][usize::from(label)] += placements.deviation(rank, label);
        }
        sums
    }
}
