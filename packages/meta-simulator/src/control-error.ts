/** Something a caller of the control API got wrong; answered with 400 or 404 and the message. */
export class ControlError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
