import type { StateInput } from './state.ts'
import type { TemplateInput } from './templates.ts'

type Components = TemplateInput['components']
type Component = Components[number]

const body = (text: string, ...examples: string[]): Component => ({
  type: 'BODY',
  text,
  ...(examples.length > 0 && { example: { body_text: [examples] } }),
})
const namedBody = (text: string, examples: Record<string, string>): Component => ({
  type: 'BODY',
  text,
  example: {
    body_text_named_params: Object.entries(examples).map(([param_name, example]) => ({
      param_name,
      example,
    })),
  },
})
const header = (text: string, example?: string): Component => ({
  type: 'HEADER',
  format: 'TEXT',
  text,
  ...(example !== undefined && { example: { header_text: [example] } }),
})
const footer = (text: string): Component => ({ type: 'FOOTER', text })
const buttons = (...list: NonNullable<Component['buttons']>): Component => ({
  type: 'BUTTONS',
  buttons: list,
})

/** Templates of an invented garden shop: all categories, both parameter formats, four languages, and every status a sync must cope with. */
export function demoTemplates(): TemplateInput[] {
  return [
    {
      name: 'spring_offer',
      language: 'en_US',
      category: 'MARKETING',
      components: [
        header('Spring is here, {{1}}!', 'Ana'),
        body(
          'Take {{1}} off all seedlings until {{2}}. Our greenhouse team is looking forward to your visit.',
          '20 %',
          'Sunday',
        ),
        footer('Reply STOP to unsubscribe'),
        buttons(
          { type: 'QUICK_REPLY', text: 'Show me more' },
          { type: 'QUICK_REPLY', text: 'Unsubscribe' },
        ),
      ],
    },
    {
      name: 'spring_offer',
      language: 'de',
      category: 'MARKETING',
      components: [
        header('Es ist Frühling, {{1}}!', 'Jürgen'),
        body(
          'Bis {{2}} gibt es {{1}} auf alle Setzlinge. Wir freuen uns auf Ihren Besuch im Gewächshaus.',
          '20 %',
          'Sonntag',
        ),
        footer('Antworten Sie STOP, um keine Angebote mehr zu erhalten'),
        buttons(
          { type: 'QUICK_REPLY', text: 'Mehr zeigen' },
          { type: 'QUICK_REPLY', text: 'Abmelden' },
        ),
      ],
    },
    {
      name: 'loyalty_points',
      language: 'pt_BR',
      category: 'MARKETING',
      parameter_format: 'NAMED',
      components: [
        namedBody(
          'Olá {{first_name}}, você já tem {{points}} pontos 🌱. Troque-os na loja até o fim do mês.',
          {
            first_name: 'João',
            points: '120',
          },
        ),
        buttons({
          type: 'URL',
          text: 'Ver pontos',
          url: 'https://shop.example/points/{{1}}',
          example: ['https://shop.example/points/abc'],
        }),
      ],
    },
    {
      name: 'workshop_invitation',
      language: 'en_US',
      category: 'MARKETING',
      components: [
        { type: 'HEADER', format: 'IMAGE', example: { header_handle: ['4::aW1hZ2U='] } },
        body(
          'Hello {{1}}, our pruning workshop on {{2}} still has places. Shall we keep one for you?',
          'Ana',
          'Saturday',
        ),
        buttons(
          { type: 'QUICK_REPLY', text: 'Yes, please' },
          { type: 'QUICK_REPLY', text: 'No, thanks' },
        ),
      ],
    },
    {
      name: 'opening_hours',
      language: 'en_US',
      category: 'UTILITY',
      components: [body('We are open from Monday to Saturday, 9 am to 6 pm.')],
    },
    {
      name: 'order_confirmation',
      language: 'en_US',
      category: 'UTILITY',
      components: [
        header('Order {{1}}', 'A-1047'),
        body(
          'Thank you, {{1}}! We have received your order of {{2}} for {{3}} and will tell you when it leaves.',
          'Ana',
          '3 items',
          '€ 42.50',
        ),
        buttons({
          type: 'URL',
          text: 'Track order',
          url: 'https://shop.example/orders/{{1}}',
          example: ['https://shop.example/orders/A-1047'],
        }),
      ],
    },
    {
      name: 'order_confirmation',
      language: 'es_MX',
      category: 'UTILITY',
      components: [
        header('Pedido {{1}}', 'A-1047'),
        body(
          '¡Gracias, {{1}}! Recibimos tu pedido de {{2}} por {{3}} y te avisaremos cuando salga.',
          'Ana',
          '3 artículos',
          '$ 850',
        ),
        buttons({
          type: 'URL',
          text: 'Seguir pedido',
          url: 'https://shop.example/orders/{{1}}',
          example: ['https://shop.example/orders/A-1047'],
        }),
      ],
    },
    {
      name: 'delivery_update',
      language: 'en_US',
      category: 'UTILITY',
      parameter_format: 'NAMED',
      components: [
        namedBody(
          'Hello {{first_name}}, your plants arrive on {{delivery_day}}. Please keep them out of the sun at first.',
          {
            first_name: 'Ana',
            delivery_day: 'Tuesday',
          },
        ),
        buttons({ type: 'PHONE_NUMBER', text: 'Call us', phone_number: '+15550783881' }),
      ],
    },
    {
      name: 'login_code',
      language: 'en_US',
      category: 'AUTHENTICATION',
      message_send_ttl_seconds: 600,
      components: [
        {
          type: 'BODY',
          text: '*{{1}}* is your verification code. For your security, do not share this code.',
          add_security_recommendation: true,
        },
        { type: 'FOOTER', text: 'This code expires in 10 minutes.', code_expiration_minutes: 10 },
        buttons({ type: 'OTP', otp_type: 'COPY_CODE', text: 'Copy code' }),
      ],
    },
    {
      name: 'autumn_preview',
      language: 'en_US',
      category: 'MARKETING',
      status: 'PENDING',
      components: [
        body('Hello {{1}}, have a first look at our autumn bulbs before they go on sale.', 'Ana'),
      ],
    },
    {
      name: 'win_a_prize',
      language: 'en_US',
      category: 'MARKETING',
      status: 'REJECTED',
      rejected_reason: 'TAG_CONTENT_MISMATCH',
      components: [body('Congratulations {{1}}, you have won! Answer within the hour.', 'Ana')],
    },
    {
      name: 'last_chance',
      language: 'en_US',
      category: 'MARKETING',
      status: 'PAUSED',
      quality_score: { score: 'RED' },
      components: [
        body('Last chance, {{1}}: the sale ends tonight at eight.', 'Ana'),
        footer('Reply STOP to unsubscribe'),
      ],
    },
    {
      name: 'winter_clearance',
      language: 'en_US',
      category: 'MARKETING',
      status: 'DISABLED',
      quality_score: { score: 'RED' },
      components: [body('Everything must go, {{1}}. Come and see what is left.', 'Ana')],
    },
  ]
}

/** A whole small platform for a first try: one app, one WABA, one number, the demo templates. */
export function demoState(callbackUrl: string | null = null): StateInput {
  const wabaId = '102290129340398'
  return {
    apps: [
      {
        id: '670843887433847',
        secret: 'demo-app-secret',
        verifyToken: 'demo-verify-token',
        callbackUrl,
      },
    ],
    wabas: [{ id: wabaId, name: 'Greenhouse & Sons', appIds: ['670843887433847'] }],
    numbers: [
      {
        id: '106540352242922',
        wabaId,
        displayPhoneNumber: '+1 555-078-3881',
        token: 'demo-token',
        verifiedName: 'Greenhouse & Sons',
      },
    ],
    templates: { [wabaId]: demoTemplates() },
  }
}
