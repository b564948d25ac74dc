import { counter } from '@lockstep/telemetry'

/** What lanes count. Labels are lane names only; keys are in the logs. */
export const counted = {
  rings: counter('lockstep_lane_rings', 'Doorbells that JetStream stored.'),
  ringFailures: counter(
    'lockstep_lane_ring_failures',
    'Doorbells that could not be stored; the sweeper rings again.',
  ),
  openFailures: counter(
    'lockstep_lane_open_failures',
    'Tries to create a lane consumer that failed, by reason (full, error).',
  ),
  holds: counter('lockstep_lane_holds', 'Partitions that a worker was given.'),
  leaseLost: counter(
    'lockstep_lane_lease_lost',
    'Partitions whose lease ran out before they were released.',
  ),
  deadFound: counter(
    'lockstep_lane_dead_found',
    'Processes that were found dead, and whose partitions were given to others.',
  ),
  handedBack: counter(
    'lockstep_lane_handed_back',
    'Doorbells of dead processes that were given out again.',
  ),
  eventsDropped: counter(
    'lockstep_events_dropped',
    'Live-view events that were not published or not readable.',
  ),
}
