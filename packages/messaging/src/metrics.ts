import { counter } from '@lockstep/telemetry'

/** What lanes count. Labels are lane names only; keys are in the logs. */
export const counted = {
  wakeUps: counter('lockstep_lane_wakeups', 'Wake-ups that JetStream stored.'),
  wakeUpFailures: counter(
    'lockstep_lane_wakeup_failures',
    'Wake-ups that could not be stored; the sweeper sends them again.',
  ),
  openFailures: counter(
    'lockstep_lane_open_failures',
    'Tries to create a lane consumer that failed, by reason (full, error).',
  ),
  assignments: counter('lockstep_lane_assignments', 'Partitions that a worker was given.'),
  leaseLost: counter(
    'lockstep_lane_lease_lost',
    'Partitions whose lease ran out before they were released.',
  ),
  deadFound: counter(
    'lockstep_lane_dead_found',
    'Processes that were found dead, and whose partitions were given to others.',
  ),
  redelivered: counter(
    'lockstep_lane_redelivered',
    'Wake-ups of dead processes that were given out again.',
  ),
  eventsDropped: counter(
    'lockstep_events_dropped',
    'Live-view events that were not published or not readable.',
  ),
}
