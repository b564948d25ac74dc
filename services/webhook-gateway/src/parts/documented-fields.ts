/** The fields that Meta documents (meta-cloud-api.md §2). A body may name any other. */
export const documentedFields: ReadonlySet<string> = new Set(
  `account_alerts account_review_update account_settings_update account_update automatic_events
  business_capability_update business_username_updates calls consumer_profile flows
  group_lifecycle_update group_participants_update group_settings_update group_status_update
  history message_echoes message_template_components_update message_template_quality_update
  message_template_status_update messages messaging_handovers partner_solutions
  payment_configuration_update phone_number_name_update phone_number_quality_update security
  smb_app_state_sync smb_message_echoes standby template_category_update
  template_correct_category_detection user_id_update user_preferences`.split(/\s+/),
)

/** A field as it is counted: `none` for what has none, `other` for what Meta does not document. */
export function fieldLabel(field: string | null): string {
  if (field === null) return 'none'
  return documentedFields.has(field) ? field : 'other'
}
