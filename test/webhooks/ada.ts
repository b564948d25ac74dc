/** The person of the fixtures, as contacts knows her once she wrote. */
export const ada = { name: 'Ada', phone: '491512000001', wa_id: '491512000001', user_id: 'DE.ada1' }

/** Fixtures are of the morning of 2026-01-01, from 10:00 on: the ISO text of a minute, or of the same on another day. */
export const at = (minute: number, day = 1) =>
  `2026-01-0${day}T10:${String(minute).padStart(2, '0')}:00Z`
