/** What ts-proto generates of a service. */
export interface GeneratedDefinition {
  fullName: string
  methods: Record<
    string,
    {
      name: string
      requestStream: boolean
      responseStream: boolean
      options: { idempotencyLevel?: 'IDEMPOTENT' | 'NO_SIDE_EFFECTS' }
    }
  >
}
