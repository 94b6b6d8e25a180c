"""The thirty-six questions: what they are called, which words lead to them, and who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rondo.handbook.questions import (
    comparing,
    data,
    features,
    launching,
    operating,
    people,
    predicting,
    privacy,
    queries,
    testing,
)
from rondo.handbook.questions.answers import Answer, Section
from rondo.handbook.questions.desk import Desk


@dataclass(frozen=True)
class Question:
    """A question by its number. `text` is English, and the catalogue's name for it; `keys` are other words for it, in
    both languages.
    """

    number: int
    section: Section
    text: str
    keys: str
    answer: Callable[[Desk], Answer]


SECTIONS: Mapping[Section, str] = {"data": "A", "development": "B", "deployment": "C", "people": ""}
QUESTIONS: tuple[Question, ...] = (
    Question(
        1,
        "data",
        "How is the model's data made?",
        "path origin pipeline lineage build training examples generation "
        "데이터 생성 만들어 경로 학습 예제 파이프라인 계보",
        data.made,
    ),
    Question(
        2,
        "data",
        "How do I inspect, validate and see the data?",
        "profile checks quality validation quarantine explore visualise visualize look 검사 검증 시각화 프로파일 "
        "품질 조회",
        data.looked_at,
    ),
    Question(
        3,
        "data",
        "How do I change an input feature or the label?",
        "edit modify column line definition stale rebuild 수정 변경 고치 피처 특징 라벨 레이블 입력",
        features.changed,
    ),
    Question(
        4,
        "data",
        "How do I customise data generation, training and evaluation?",
        "customize hook plug-in plugin custom source trainer check extend 맞춤설정 맞춤 훅 확장 사용자정의 소스 학습기",
        features.customised,
    ),
    Question(
        5,
        "development",
        "How do I change the model's architecture when features or labels change?",
        "architecture structure trainer algorithm signature network trees 구조 아키텍처 알고리즘 학습기 시그니처",
        features.rebuilt,
    ),
    Question(
        6,
        "data",
        "Where do test examples come from?",
        "test split validation holdout golden testsets sizes 테스트 예시 예제 분할 검증 골든",
        testing.examples_for_testing,
    ),
    Question(
        7,
        "development",
        "Which metrics judge the model?",
        "metric requirement prd kpi threshold quality auc accuracy 측정항목 지표 메트릭 요구사항 품질 판단 기준",
        testing.judged_by,
    ),
    Question(
        8,
        "deployment",
        "How is a model launched?",
        "launch release promote ship gate approval publish go live 출시 배포 승격 승인 게이트 릴리스",
        launching.launched,
    ),
    Question(
        9,
        "deployment",
        "How do I know something is wrong?",
        "monitor monitors drift alert threshold watch degradation broken 문제 모니터링 감시 드리프트 임계값 알림",
        operating.watched,
    ),
    Question(
        10,
        "data",
        "Which upstream systems does the model depend on?",
        "upstream dependency dependencies source systems column lineage origin freshness 업스트림 종속 의존 "
        "소스 시스템 계보 컬럼",
        data.depended_on,
    ),
    Question(
        11,
        "data",
        "How is SQL kept maintainable and reusable?",
        "sql maintainable reusable reuse duplicate duplicated unused refactor graph 유지보수 재사용 중복 미사용 쿼리",
        queries.kept,
    ),
    Question(
        12,
        "development",
        "Can the same pipeline train on other data, or fine-tune?",
        "finetune fine tune tuning other dataset transfer retrain another region warm start 미세 조정 "
        "미세조정 파인튜닝 다른 데이터 재학습 전이",
        features.elsewhere,
    ),
    Question(
        13,
        "development",
        "How do I add a test set?",
        "new testset dataset file add csv golden 새 테스트셋 테스트 데이터셋 추가 파일",
        testing.added,
    ),
    Question(
        14,
        "development",
        "How do I see the prediction for an example I made up?",
        "try what if single example row form playground whatif imaginary 예시 직접 만든 예측 확인 시험 가정",
        predicting.made_up,
    ),
    Question(
        15,
        "development",
        "How do I find and look at the model's mistakes?",
        "error errors mistake wrong worst false positives slices failure cases 실수 오류 오답 오차 틀린 찾아",
        predicting.mistaken,
    ),
    Question(
        16,
        "development",
        "Which features drove one prediction?",
        "why explain explanation attribution shap contribution single reason flagged 특정 예측 이유 설명 영향 "
        "기여도 왜",
        predicting.one_explained,
    ),
    Question(
        17,
        "development",
        "Which features drive predictions across a sample?",
        "importance feature global attribution sample shap overall 샘플 중요도 전체 영향 특성",
        predicting.many_explained,
    ),
    Question(
        18,
        "development",
        "How do I compute or plot predictions on a data set?",
        "batch score scoring predict file table plot 일괄 배치 계산 표시 예측 데이터셋 점수",
        predicting.computed,
    ),
    Question(
        19,
        "development",
        "How do I compute standard metrics on a data set?",
        "evaluate evaluation metrics standard auc brier log loss 표준 측정항목 평가 계산 데이터셋",
        testing.standard,
    ),
    Question(
        20,
        "development",
        "How do I write a custom metric?",
        "custom own metric function metrics.py define 맞춤 측정항목 사용자 지표 함수 개발",
        testing.own_metric,
    ),
    Question(
        21,
        "development",
        "How do I compare models offline?",
        "compare comparison paired difference versus against offline a/b 비교 오프라인 차이 다른 모델",
        comparing.offline,
    ),
    Question(
        22,
        "development",
        "Can I analyse many evaluations at once?",
        "analyze meta analysis meta-analysis all versions ranking leaderboard table many 메타분석 여러 평가 "
        "순위 모든 버전 한번에",
        testing.many,
    ),
    Question(
        23,
        "development",
        "Can I compare today's model with that of ten months ago?",
        "10 ten months ago old past earlier previous year history then 10개월 열 달 전 과거 예전 이전 작년 현재",
        comparing.of_long_ago,
    ),
    Question(
        24,
        "deployment",
        "I think my model is good: how does it get to production?",
        "next step candidate ready sign undecided production promote missing 좋은 모델 프로덕션 운영 실행 서명 다음 "
        "단계",
        launching.to_production,
    ),
    Question(
        25,
        "deployment",
        "Is the new model running correctly in production?",
        "parity skew golden canary shadow correct running verify 올바르게 실행 확인 카나리 일치 새 모델 운영",
        launching.running,
    ),
    Question(
        26,
        "development",
        "How have evaluations moved over time?",
        "history trend over time weekly monthly evolution records 기록 시간 경과 추이 이력 평가",
        testing.over_time,
    ),
    Question(
        27,
        "deployment",
        "What tells the person on call?",
        "on-call oncall pager open alerts diagnosis service data 당직 온콜 열린 알림 진단 운영",
        operating.on_call,
    ),
    Question(
        28,
        "deployment",
        "I was paged: what do I do?",
        "paged page bug incident runbook rollback roll back emergency outage steps 페이지 버그 할당 인시던트 장애 "
        "런북 롤백 되돌리기 대응",
        operating.paged,
    ),
    Question(
        29,
        "development",
        "How do I add or replace a step?",
        "add replace step insert pipeline graph stage table 단계 추가 교체 파이프라인 그래프",
        features.extended,
    ),
    Question(
        30,
        "development",
        "When and how do I start a new pipeline?",
        "new project init template start begin scratch create 새로운 새 파이프라인 프로젝트 시작 템플릿 만드",
        features.begun,
    ),
    Question(
        31,
        "data",
        "Where do I put my SQL?",
        "sql query file folder tables header where put yaml 어디 쿼리 파일 폴더 헤더",
        queries.placed_where,
    ),
    Question(
        32,
        "deployment",
        "How does serving work, is there a diagram?",
        "serving serve server architecture diagram online store latency api endpoint 서빙 다이어그램 서버 그림 "
        "동작 온라인",
        launching.served,
    ),
    Question(
        33,
        "data",
        "Which upstream systems should developers know?",
        "contract schedule arrival upstream feed developers sources sla 개발자 업스트림 계약 일정 도착 피드 소스",
        data.upstream_systems,
    ),
    Question(
        34,
        "people",
        "Whom do I ask, and how?",
        "who owner contact person people team responsible help ask 누구 문의 담당자 연락처 사람 팀 소유자",
        people.asked,
    ),
    Question(
        35,
        "data",
        "Is the data anonymised?",
        "anonymized anonymised privacy personal pii gdpr email phone masked 익명 익명처리 개인정보 프라이버시 마스킹",
        privacy.anonymised,
    ),
    Question(
        36,
        "data",
        "What are the data's metadata and provenance?",
        "metadata provenance licence license data card origin collection 메타데이터 출처 라이선스 데이터카드 수집",
        data.carded,
    ),
)
BY_NUMBER: Mapping[int, Question] = {question.number: question for question in QUESTIONS}
