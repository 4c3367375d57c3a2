;; declares to write the replicas and writes a label: the answer must be UndeclaredWrite
;; world: revision-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  ;; at 32: a declaration that writes one field, whose (pointer, length) is at 16
  (data (i32.const 16) "\40\00\00\00\0e\00\00\00")
  (data (i32.const 32) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\10\00\00\00\01\00\00\00")
  (data (i32.const 64) "/spec/replicas")
  (func (export "flotilla:interpreter/revision@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: ok(one change at 144: set(text at 200, text at 224))
  (data (i32.const 128) "\00\00\00\00\90\00\00\00\01\00\00\00")
  (data (i32.const 144) "\00\00\00\00\c8\00\00\00\12\00\00\00\e0\00\00\00\03\00\00\00")
  (data (i32.const 200) "/metadata/labels/x")
  (data (i32.const 224) "\22a\22")
  (func (export "flotilla:interpreter/revision@1.0.0#revise") (param i32 i32 i64) (result i32) (i32.const 128)))
