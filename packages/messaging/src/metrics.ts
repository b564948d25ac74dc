import { counter, histogram } from '@lockstep/telemetry'

/** What lanes count. Labels are lane names only; keys are in the logs. */
export const counted = {
  rings: counter('lockstep_lane_rings', 'Doorbells that JetStream stored.'),
  ringFailures: counter('lockstep_lane_ring_failures', 'Doorbells that could not be stored; the sweeper rings again.'),
  openFailures: counter('lockstep_lane_open_failures', 'Tries to create a lane consumer that failed, by reason (full, error).'),
  jobs: counter('lockstep_lane_jobs', 'Jobs that were started.'),
  jobsFailed: counter('lockstep_lane_jobs_failed', 'Jobs that threw: infrastructure failures, tried again.'),
  leaseLost: counter('lockstep_lane_lease_lost', 'Jobs that outlived their lease and therefore answered nothing.'),
  eventsDropped: counter('lockstep_events_dropped', 'Live-view events that were not published or not readable.'),
}

/** How long a job took, by lane. */
export const jobSeconds = histogram('lockstep_lane_job_seconds', 'Duration of a job.', 's')
